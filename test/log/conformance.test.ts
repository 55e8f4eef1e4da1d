/** The embedded log in a real folder does what every log must do. In memory it runs beside its source. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conformance } from '../../src/log/conformance/conformance.testing.ts'
import { SimulatedClock } from '../../src/platform/index.ts'
import { openLog } from '../../src/log/embedded/index.ts'
import { openReal } from './open.ts'

conformance('embedded, with a thread of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
  const open = () => openLog(folder, { thread: true })
  let log = await open()
  return {
    log,
    reopen: async () => {
      await log.close()
      log = await open()
      return log
    },
    close: async () => {
      await log.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
})

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
