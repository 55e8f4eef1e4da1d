/** Runs one stage by itself, for tests of this room: a context whose clock stands still until it is moved, and an output that records each answer. */
import assert from 'node:assert/strict'
import { SluiceError } from '../base/index.ts'
import { StageMemory, prepareConfig } from '../engine/index.ts'
import type { Output, Stage, StageContext } from '../engine/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { SimulatedClock } from '../platform/index.ts'
import { stages } from './index.ts'

export type Answer =
  | { readonly answer: 'emit' | 'produce'; readonly text: string }
  | { readonly answer: 'to'; readonly name: string; readonly text: string }
  | { readonly answer: 'split'; readonly texts: readonly string[] }
  | { readonly answer: 'drop' | 'absorb' }
  | { readonly answer: 'reject'; readonly code: string; readonly message: string; readonly text: string }

export class Answers implements Output {
  readonly all: Answer[] = []
  readonly #answered = new Set<Event>()

  #add(event: Event, answer: Answer): void {
    assert.ok(!this.#answered.has(event), 'an event is answered once')
    this.#answered.add(event)
    this.all.push(answer)
  }
  emit(event: Event): void {
    this.#add(event, { answer: 'emit', text: event.text })
  }
  to(name: string, event: Event): void {
    this.#add(event, { answer: 'to', name, text: event.text })
  }
  split(event: Event, parts: readonly Event[]): void {
    this.#add(event, { answer: 'split', texts: parts.map(part => part.text) })
  }
  absorb(event: Event): void {
    this.#add(event, { answer: 'absorb' })
  }
  produce(event: Event): void {
    this.all.push({ answer: 'produce', text: event.text })
  }
  drop(event: Event): void {
    this.#add(event, { answer: 'drop' })
  }
  reject(event: Event, error: unknown): void {
    const code = error instanceof SluiceError ? error.code : 'NOT_A_SLUICE_ERROR'
    this.#add(event, { answer: 'reject', code, message: error instanceof Error ? error.message : String(error), text: event.text })
  }

  /** Texts of what goes on by the main output, in order. */
  get texts(): string[] {
    return this.all.flatMap(one => (one.answer === 'split' ? one.texts : one.answer === 'emit' || one.answer === 'produce' ? [one.text] : []))
  }
  /** The same as values. */
  get values(): JsonValue[] {
    return this.texts.map(text => JSON.parse(text) as JsonValue) // Each event is JSON text.
  }
  /** `code: message` of what was rejected, in order. */
  get rejected(): string[] {
    return this.all.flatMap(one => (one.answer === 'reject' ? [`${one.code}: ${one.message}`] : []))
  }
}

const SLAB = { source: 'test', bytes: new Uint8Array(0), locate: (): JsonValue => null }

/** An event of JSON text, as a source delivers it. */
export function textEvent(text: string, time?: number): Event {
  const event = new Event(SLAB, 0, 0, text)
  event.time = time
  return event
}

/** An event whose value a stage has replaced. */
export function valueEvent(value: JsonValue): Event {
  return new Event(SLAB, 0, 0, undefined, value)
}

export class StageTest {
  readonly clock = new SimulatedClock()
  readonly warnings: string[] = []
  readonly memory: StageMemory
  readonly stage: Stage
  readonly stop = new AbortController()

  /** `restored` is what a stage remembered before a restart. */
  constructor(type: string, config: unknown, folder = '/', restored: ReturnType<StageMemory['changed']> = []) {
    this.memory = new StageMemory(restored, () => true)
    const declaration = stages.find(one => one.type === type)
    if (declaration === undefined) throw new Error(`There is no stage ${type}.`)
    const bare = typeof config !== 'object' || Array.isArray(config)
    const given = bare && declaration.shorthand !== undefined ? { [declaration.shorthand]: config } : config
    const context: StageContext = {
      id: type,
      folder,
      now: () => this.clock.now(),
      random: () => 0.5,
      sleep: (ms, signal) => this.clock.sleep(ms, signal),
      warn: message => void this.warnings.push(message),
      signal: this.stop.signal,
      state: this.memory,
    }
    this.stage = declaration.create(prepareConfig(declaration.config, given, context), context)
  }

  async process(events: readonly Event[]): Promise<Answers> {
    const answers = new Answers()
    await this.stage.process(events, answers)
    return answers
  }

  async finish(): Promise<Answers> {
    const answers = new Answers()
    await this.stage.finish?.(answers)
    return answers
  }
}

/** What a stage makes of events, and of the end of the input; an event is a text or a value. */
export async function run(type: string, config: unknown, events: readonly (string | JsonValue)[], folder?: string): Promise<Answers> {
  const test = new StageTest(type, config, folder)
  await test.stage.open?.()
  const answers = new Answers()
  await test.stage.process(events.map(one => textEvent(typeof one === 'string' ? one : JSON.stringify(one))), answers)
  await test.stage.finish?.(answers)
  await test.stage.close?.()
  return answers
}
