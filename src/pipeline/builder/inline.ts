/**
 * Stages made of functions. They have no config: the function is the config, and stays on the thread that made it. A worker that imports the same module
 * makes the same functions under the same names.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SluiceError } from '../../base/index.ts'
import { defineStage, field } from '../../engine/index.ts'
import type { Output, StageDeclaration } from '../../engine/index.ts'
import type { Event, JsonValue } from '../../event/index.ts'

/** What functions are given beside the event's value. */
export type EventContext = Pick<Event, 'key' | 'headers' | 'time' | 'position'>
export type EventFunction<T, R> = (event: T, context: EventContext) => R

interface InlineOptions {
  readonly waits?: boolean
  readonly outputs?: readonly string[]
}

type Answer = (event: Event, out: Output) => void | Promise<void>

/** A stage that answers each event by itself; what it throws rejects that event. */
function inline(type: string, summary: string, answer: Answer, options: InlineOptions = {}): StageDeclaration {
  const { waits = false, outputs } = options
  return defineStage({
    type,
    summary,
    config: field.object({}),
    foreign: true,
    waits,
    ...(outputs === undefined ? {} : { outputs: () => outputs }),
    // A stage that waits is called with one event, and its failures are the engine's to judge: another attempt may help.
    create: () => ({ process: waits ? async (events, out) => waitForEach(events, out, answer) : (events, out) => answerEach(events, out, answer) }),
  })
}

async function waitForEach(events: readonly Event[], out: Output, answer: Answer): Promise<void> {
  for (const event of events) await answer(event, out)
}

function answerEach(events: readonly Event[], out: Output, answer: Answer): void | Promise<void> {
  for (let at = 0; at < events.length; at++) {
    const event = events[at]
    if (event === undefined) continue
    try {
      const pending = answer(event, out)
      // A validator may answer later now and then: the events behind it wait their turn.
      if (pending !== undefined) return settle(event, pending, out).then(() => answerEach(events.slice(at + 1), out, answer))
    } catch (error) {
      out.reject(event, error)
    }
  }
  return undefined
}

async function settle(event: Event, pending: Promise<void>, out: Output): Promise<void> {
  try {
    await pending
  } catch (error) {
    out.reject(event, error)
  }
}

/** A step's function. Any function fits: its chain's types see to it that the events it is given are what it expects. */
type Step<R> = EventFunction<never, R>

function call<R>(step: Step<R>, event: Event): R {
  return step(event.value as never, event) // As the types of the chain say.
}

/** Puts what a function returned in the event's place; nothing at all leaves the event out. */
function put(event: Event, made: unknown, out: Output): void {
  if (made === undefined) return out.drop(event)
  event.replace(made as JsonValue) // What JSON can't hold is written as JSON.stringify writes it.
  out.emit(event)
}

export function filterStage(type: string, holds: Step<boolean>): StageDeclaration {
  return inline(type, 'Keeps the events for which a function holds', (event, out) => (call(holds, event) ? out.emit(event) : out.drop(event)))
}

export function mapStage(type: string, make: Step<unknown>): StageDeclaration {
  return inline(type, 'Puts what a function returns in the place of each event', (event, out) => put(event, call(make, event), out))
}

export function mapWaitingStage(type: string, make: Step<Promise<unknown>>): StageDeclaration {
  const answer: Answer = async (event, out) => put(event, await call(make, event), out)
  return inline(type, 'Puts what a function returns, after a while, in the place of each event', answer, { waits: true })
}

export function flatMapStage(type: string, make: Step<readonly unknown[]>): StageDeclaration {
  return inline(type, 'Makes any number of events of each', (event, out) => {
    const parts = call(make, event)
    out.split(event, parts.map(part => event.derive(part as JsonValue))) // As in `put`.
  })
}

export function keyStage(type: string, keyOf: Step<string>): StageDeclaration {
  return inline(type, 'Sets the key of each event', (event, out) => {
    event.key = call(keyOf, event)
    out.emit(event)
  })
}

export function routeStage(type: string, cases: readonly (readonly [name: string, holds: Step<boolean>])[]): StageDeclaration {
  const answer: Answer = (event, out) => {
    for (const [name, holds] of cases) if (call(holds, event)) return out.to(name, event)
    return out.emit(event)
  }
  return inline(type, 'Sends each event to the first output whose function holds', answer, { outputs: cases.map(([name]) => name) })
}

export function validateStage(type: string, { '~standard': standard }: StandardSchemaV1): StageDeclaration {
  const take = (event: Event, before: JsonValue, result: StandardSchemaV1.Result<unknown>, out: Output): void => {
    if (result.issues !== undefined) throw new SluiceError('VALIDATE_FAILED', result.issues.slice(0, 5).map(issueText).join('; '))
    // Many validators make a new object of what they accept; one that changes nothing leaves the bytes alone.
    if (result.value !== before && JSON.stringify(result.value) !== JSON.stringify(before)) event.replace(result.value as JsonValue) // As in `put`.
    out.emit(event)
  }
  return inline(type, `Checks each event with a schema of ${standard.vendor}`, (event, out) => {
    const before = event.value
    const result = standard.validate(before)
    return result instanceof Promise ? result.then(settled => take(event, before, settled, out)) : take(event, before, result, out)
  })
}

function issueText({ message, path }: StandardSchemaV1.Issue): string {
  const keys = (path ?? []).map(part => String(typeof part === 'object' ? part.key : part))
  return keys.length === 0 ? message : `${keys.join('.')}: ${message}`
}

/** Looks a key up: a map, or a function that may wait. */
export type LookUp<R> = ReadonlyMap<string, R> | ((key: string) => R | undefined | Promise<R | undefined>)

export function enrichStage<R>(type: string, table: LookUp<R>, keyOf: Step<string>, combine: (event: never, found: R | undefined) => unknown): StageDeclaration {
  const answer: Answer = (event, out) => {
    const key = call(keyOf, event)
    const value = event.value as never // As the types of the chain say.
    const found = typeof table === 'function' ? table(key) : table.get(key)
    return found instanceof Promise ? found.then(row => put(event, combine(value, row), out)) : put(event, combine(value, found), out)
  }
  return inline(type, 'Adds what a look-up finds', answer, { waits: typeof table === 'function' })
}
