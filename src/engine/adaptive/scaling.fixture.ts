/** The worker thread of the tests of scaling, and the stages that both sides know. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { PipelineConfig } from '../config.ts'
import type { HostData } from '../hosts.ts'
import { Feed, fedSource, keepingSink } from '../reload.fixture.ts'
import { serveHost } from '../serve.ts'
import { Kept, objectOf, testRegistry, testStage } from '../testing.ts'

export const stages = [
  testStage('mark', () => ({
    process: (events, out) => {
      for (const event of events) {
        event.replace({ ...objectOf(event), marked: true })
        out.emit(event)
      }
    },
  })),
  // Numbers the events of each key, in its memory.
  testStage('numbers', ({ state }) => {
    const table = state.table<number>('seen', { keysMax: 1000 })
    return {
      process: (events, out) => {
        for (const event of events) {
          const value = objectOf(event)
          const key = String(value['k'])
          table.set(key, (table.get(key) ?? 0) + 1)
          event.replace({ ...value, seen: table.get(key) ?? 0 })
          out.emit(event)
        }
      },
    }
  }, 'keyed'),
]

if (!isMainThread && parentPort !== null) {
  const data = workerData as HostData // Set by the test that starts this thread.
  const [feed, kept] = [new Feed(), new Kept()]
  const registry = testRegistry([fedSource(feed, 'fed'), keepingSink(feed, kept, 'keep'), keepingSink(feed, kept, 'memory'), ...stages])
  await serveHost(parentPort, data, start => Promise.resolve({ config: start as PipelineConfig, registry }))
}
