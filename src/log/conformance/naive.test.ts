import { SimulatedClock } from '../../platform/index.ts'
import { conformance } from './conformance.testing.ts'
import { NaiveLog, NaiveStore } from './naive.fixture.ts'

conformance('of lists in memory', async ({ clock }) => {
  const simulated = clock === 'simulated' ? new SimulatedClock() : undefined
  const store = new NaiveStore(simulated)
  let log = new NaiveLog(store)
  return {
    log,
    other: new NaiveLog(store),
    ...(simulated === undefined ? {} : { advance: (ms: number) => simulated.advance(ms) }),
    reopen: async () => {
      await log.close()
      log = new NaiveLog(store)
      return log
    },
    close: () => log.close(),
  }
})
