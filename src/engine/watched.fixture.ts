/** The worker thread of the tests of hanging workers, and stages that do what no stage should. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { SluiceError } from '../base/index.ts'
import { defineStage } from './component.ts'
import type { Output, StageDeclaration } from './component.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { PipelineConfig } from './config.ts'
import * as field from './fields.ts'
import type { HostData } from './hosts.ts'
import { serveHost } from './serve.ts'
import { Kept, memorySink, memorySource, objectOf, testRegistry } from './testing.ts'

const numberOf = (event: Event): number => Number(objectOf(event)['n'])

type Misdeed = (event: Event) => void | Promise<void>

/** Passes events on, but for those whose number is among `on`. */
function bad(type: string, misdeed: Misdeed, more: { readonly waits?: boolean } = {}): StageDeclaration {
  return defineStage({
    type,
    summary: 'Misbehaves on some events',
    config: field.object({ on: field.list(field.integer()) }),
    foreign: true,
    ...more,
    create: ({ on }) => {
      const one = (event: Event, out: Output): void | Promise<void> => {
        const done = on.includes(numberOf(event)) ? misdeed(event) : undefined
        if (done !== undefined) return done
        return out.emit(event)
      }
      return {
        process: (events, out) => {
          const waits: Promise<void>[] = []
          for (const event of events) {
            const done = one(event, out)
            if (done !== undefined) waits.push(done)
          }
          return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined)
        },
      }
    },
  })
}

function blank(value: JsonValue): Event {
  return new Event({ source: 'counts', bytes: new Uint8Array(0), locate: () => null }, 0, 0, undefined, value)
}

function forEver(): never {
  for (let turns = 0; ; turns++) if (turns < 0) throw new SluiceError('INTERNAL', 'numbers have an end')
}

/** How many events of their rest by seven came before. A user's loops on some of them. */
const counts = (type: string, foreign: boolean): StageDeclaration => defineStage({
  type, summary: 'Counts by key', config: field.object({ on: field.list(field.integer(), { default: [] }) }), memory: 'keyed', foreign,
  create: ({ on }, { state }) => {
    const table = state.table<number>('counts', { keysMax: 1000 })
    return {
      process: (events, out) => {
        for (const event of events) {
          const key = String(numberOf(event) % 7)
          const count = (table.get(key) ?? 0) + 1
          table.set(key, count)
          // After the memory was changed: what is left of that goes with the worker.
          if (on.includes(numberOf(event))) forEver()
          event.replace({ ...objectOf(event), count })
          out.emit(event)
        }
      },
      finish: out => {
        for (const [key, count] of [...table.entries()].sort(([a], [b]) => (a < b ? -1 : 1))) out.produce(blank({ total: key, count }))
      },
    }
  },
}) as StageDeclaration // A stage of one config is a stage.

export const stages: readonly StageDeclaration[] = [
  counts('counts', false),
  counts('counts_badly', true),
  bad('loops', forEver),
  bad('slow', () => {
    for (const until = performance.now() + 8; performance.now() < until; ) continue
  }),
  bad('exits', () => process.exit(7)),
  bad('exits_well', () => process.exit(0)),
  bad('throws_later', () => {
    setImmediate(() => {
      throw new TypeError('nobody catches this')
    })
    return new Promise(() => undefined)
  }),
  bad('never_answers', () => new Promise(() => undefined)),
  bad('never_answers_a_call', () => new Promise(() => undefined), { waits: true }),
  defineStage({
    type: 'hangs_at_the_end', summary: 'Never closes', config: field.object({}), foreign: true,
    create: () => ({ process: (events, out) => events.forEach(event => out.emit(event)), close: forEver }),
  }) as StageDeclaration, // As above.
]

if (!isMainThread && parentPort !== null) {
  const data = workerData as HostData // Set by the test that starts this thread.
  const registry = testRegistry([memorySource([], 1), memorySink(new Kept()), ...stages])
  await serveHost(parentPort, data, start => Promise.resolve({ config: start as PipelineConfig, registry }))
}
