/** Opens an embedded log as another process would after a crash: on simulated files, or in a real folder. */
import { openLog } from '../../src/log/embedded/index.ts'
import type { EmbeddedLog } from '../../src/log/embedded/index.ts'
import type { PartitionStorage, StorageSettings } from '../../src/log/embedded/storage/partition-port.ts'
import { seededRandom, systemClock, systemFiles } from '../../src/platform/index.ts'
import type { Clock, Files } from '../../src/platform/index.ts'
import type { SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { openPartition as openSegments } from '../../src/log/embedded/storage/index.ts'

export const FOLDER = '/log'
/** Retention and compaction run when a test asks for them. */
const NEVER = 3_600_000

export interface Opened {
  readonly log: EmbeddedLog
  readonly warnings: string[]
}

export function open(files: SimulatedFiles, { seed = 1 }: { seed?: number } = {}): Promise<Opened> {
  return openAt(FOLDER, files, seededRandom(seed))
}

export function openReal(folder: string, clock: Clock = systemClock): Promise<Opened> {
  return openAt(folder, systemFiles, Math.random, clock)
}

async function openAt(folder: string, files: Files, random: () => number, clock: Clock = systemClock): Promise<Opened> {
  const warnings: string[] = []
  const log = await openLog(folder, { files, random, clock, cleanEvery: NEVER, warn: message => void warnings.push(message) })
  return { log, warnings }
}

/** Opens one partition by itself. */
export function openPartition(files: SimulatedFiles, folder: string, settings: StorageSettings): Promise<PartitionStorage> {
  return openSegments(folder, settings, { files, clock: systemClock, warn: () => undefined })
}
