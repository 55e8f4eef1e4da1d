import { SimulatedClock, systemClock } from '../../platform/index.ts'
import { EmbeddedLog } from '../embedded/embedded-log.ts'
import { testGround } from '../embedded/naive-log.fixture.ts'
import { conformance } from './conformance.testing.ts'

conformance('embedded, on naive storage', async ({ clock }) => {
  const simulated = clock === 'simulated' ? new SimulatedClock() : undefined
  const ground = { ...testGround(), clock: simulated ?? systemClock }
  let log = await EmbeddedLog.open(ground)
  return {
    log,
    ...(simulated === undefined ? {} : { advance: (ms: number) => simulated.advance(ms) }),
    reopen: async () => {
      await log.close()
      log = await EmbeddedLog.open(ground)
      return log
    },
    close: () => log.close(),
  }
})
