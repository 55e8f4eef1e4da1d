/** The embedded log in a real folder does what every log must do. In memory it runs beside its source. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conformance } from '../../src/log/conformance/conformance.testing.ts'
import { SimulatedClock } from '../../src/platform/index.ts'
import { openReal } from './open.ts'

conformance('embedded, in a folder', async ({ clock }) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
  const simulated = clock === 'simulated' ? new SimulatedClock() : undefined
  let { log } = await openReal(folder, simulated)
  return {
    log,
    ...(simulated === undefined ? {} : { advance: (ms: number) => simulated.advance(ms) }),
    reopen: async () => {
      await log.close()
      log = (await openReal(folder, simulated)).log
      return log
    },
    close: async () => {
      await log.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
})
