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

/** The event's value, of the type that the pipeline's author says it has: the source's schema, or the function before, made it so. */
function valueOf<T>(event: Event): T {
  return event.value as T
}

/** Puts what a function returned in the event's place; nothing at all leaves the event out. */
function put(event: Event, made: unknown, out: Output): void {
  if (made === undefined) return out.drop(event)
  event.replace(made as JsonValue) // What JSON can't hold is written as JSON.stringify writes it.
  out.emit(event)
}

export function filterStage<T>(type: string, holds: EventFunction<T, boolean>): StageDeclaration {
  return inline(type, 'Keeps the events for which a function holds', (event, out) => (holds(valueOf<T>(event), event) ? out.emit(event) : out.drop(event)))
}

export function mapStage<T, U>(type: string, make: EventFunction<T, U>): StageDeclaration {
  return inline(type, 'Puts what a function returns in the place of each event', (event, out) => put(event, make(valueOf<T>(event), event), out))
}

export function mapWaitingStage<T, U>(type: string, make: EventFunction<T, Promise<U>>): StageDeclaration {
  const answer: Answer = async (event, out) => put(event, await make(valueOf<T>(event), event), out)
  return inline(type, 'Puts what a function returns, after a while, in the place of each event', answer, { waits: true })
}

export function flatMapStage<T, U>(type: string, make: EventFunction<T, readonly U[]>): StageDeclaration {
  return inline(type, 'Makes any number of events of each', (event, out) => {
    const parts = make(valueOf<T>(event), event)
    out.split(event, parts.map(part => event.derive(part as JsonValue))) // As in `put`.
  })
}

export function keyStage<T>(type: string, keyOf: EventFunction<T, string>): StageDeclaration {
  return inline(type, 'Sets the key of each event', (event, out) => {
    event.key = keyOf(valueOf<T>(event), event)
    out.emit(event)
  })
}

export function routeStage<T>(type: string, cases: readonly (readonly [name: string, holds: EventFunction<T, boolean>])[]): StageDeclaration {
  const answer: Answer = (event, out) => {
    const value = valueOf<T>(event)
    for (const [name, holds] of cases) if (holds(value, event)) return out.to(name, event)
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

export function enrichStage<T, R, U>(type: string, table: LookUp<R>, keyOf: EventFunction<T, string>, combine: (event: T, found: R | undefined) => U): StageDeclaration {
  const answer: Answer = (event, out) => {
    const value = valueOf<T>(event)
    const key = keyOf(value, event)
    const found = typeof table === 'function' ? table(key) : table.get(key)
    return found instanceof Promise ? found.then(row => put(event, combine(value, row), out)) : put(event, combine(value, found), out)
  }
  return inline(type, 'Adds what a look-up finds', answer, { waits: typeof table === 'function' })
}
