/** Opens an embedded log on simulated files, as another process would after a crash. */
import { EmbeddedLog } from '../../src/log/embedded/embedded-log.ts'
import { systemClock, seededRandom } from '../../src/platform/index.ts'
import type { SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { naiveFolders } from './naive-files.fixture.ts'

export const FOLDER = '/log'

export interface Opened {
  readonly log: EmbeddedLog
  readonly warnings: string[]
}

export async function open(files: SimulatedFiles, { seed = 1 }: { seed?: number } = {}): Promise<Opened> {
  const warnings: string[] = []
  const log = await EmbeddedLog.open({
    folder: FOLDER, files, folders: naiveFolders(files), clock: systemClock, random: seededRandom(seed), durability: 'fsync', cleanEvery: 3_600_000, warn: message => void warnings.push(message),
  })
  return { log, warnings }
}
