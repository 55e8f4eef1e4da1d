import { SimulatedClock, systemClock } from '../../platform/index.ts'
import { SimulatedFiles } from '../../platform/simulated-files.ts'
import { openLog } from '../embedded/index.ts'
import { conformance } from './conformance.testing.ts'

conformance('embedded, in memory', async ({ clock }) => {
  const simulated = clock === 'simulated' ? new SimulatedClock() : undefined
  const options = { files: new SimulatedFiles({ record: false }), clock: simulated ?? systemClock }
  let log = await openLog('/log', options)
  return {
    log,
    ...(simulated === undefined ? {} : { advance: (ms: number) => simulated.advance(ms) }),
    reopen: async () => {
      await log.close()
      log = await openLog('/log', options)
      return log
    },
    close: () => log.close(),
  }
})
