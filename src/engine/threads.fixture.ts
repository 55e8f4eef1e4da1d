/** The worker thread of the engine's own tests, and the stages that both sides know. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { StageDeclaration } from './component.ts'
import type { PipelineConfig } from './config.ts'
import type { HostData } from './hosts.ts'
import { serveHost } from './serve.ts'
import { Kept, memorySink, memorySource, objectOf, testRegistry, testStage } from './testing.ts'

export const stages: readonly StageDeclaration[] = [
  testStage('split', () => ({
    process: (events, out) => {
      for (const event of events) out.split(event, Array.from({ length: Number(objectOf(event)['n']) % 4 }, (_, part) => event.derive({ ...objectOf(event), part })))
    },
  })),
  testStage('drop_some', () => ({
    process: (events, out) => {
      for (const event of events) {
        const n = Number(objectOf(event)['n'])
        if (n % 11 === 0) out.reject(event, new Error('eleven'))
        else if (n % 5 === 0) out.drop(event)
        else out.emit(event)
      }
    },
  })),
  testStage('sum', context => {
    const table = context.state.table<number>('sum', { keysMax: 5000 })
    return {
      process: (events, out) => {
        for (const event of events) {
          const value = objectOf(event)
          const key = String(value['k'])
          const sum = (table.get(key) ?? 0) + Number(value['n'])
          table.set(key, sum)
          event.replace({ ...value, sum })
          out.emit(event)
        }
      },
      finish: out => {
        const rows = [...table.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
        for (const [key, sum] of rows) out.produce(blank({ total: key, sum }))
      },
    }
  }, 'keyed'),
  // How many events its partition has seen, whatever they hold: the order of all of them shows.
  testStage('tally', context => {
    const table = context.state.table<number>('tally', { keysMax: 5000 })
    return {
      process: (events, out) => {
        for (const event of events) {
          table.set('all', (table.get('all') ?? 0) + 1)
          event.replace({ ...objectOf(event), tally: table.get('all') ?? 0 })
          out.emit(event)
        }
      },
    }
  }, 'keyed'),
]

function blank(value: JsonValue): Event {
  return new Event({ source: 'sum', bytes: new Uint8Array(0), locate: () => null }, 0, 0, undefined, value)
}

if (!isMainThread && parentPort !== null) {
  const data = workerData as HostData // Set by the test that starts this thread.
  const registry = testRegistry([memorySource([], 1), memorySink(new Kept()), ...stages])
  await serveHost(parentPort, data, start => Promise.resolve({ config: start as PipelineConfig, registry }))
}
