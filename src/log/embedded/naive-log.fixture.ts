/** An embedded log on simulated files, with the naive storage or that of users, for tests. */
import { SimulatedClock, seededRandom } from '../../platform/index.ts'
import { SimulatedFiles } from '../../platform/simulated-files.ts'
import { RecordCursor } from '../batch/index.ts'
import type { Fetched } from '../log.ts'
import { removeFolder } from './durable-file.ts'
import { EmbeddedLog } from './embedded-log.ts'
import type { Ground } from './embedded-log.ts'
import { NaiveDisk } from './naive-storage.fixture.ts'
import type { PartitionFolders } from './partition-folders.ts'
import { openPartition } from './storage/index.ts'

export interface AnyGround extends Ground {
  readonly clock: SimulatedClock
  readonly files: SimulatedFiles
  readonly warnings: string[]
}

export interface TestGround extends AnyGround {
  readonly folders: NaiveDisk
}

export function testGround(changes: Partial<TestGround> = {}): TestGround {
  const warnings: string[] = []
  return {
    folder: '/log', files: new SimulatedFiles({ seed: 1, record: false }), folders: new NaiveDisk(), clock: new SimulatedClock(), random: seededRandom(1),
    durability: 'fsync', cleanEvery: 60_000, warnings, warn: message => void warnings.push(message), ...changes,
  }
}

export async function openTestLog(changes: Partial<TestGround> = {}): Promise<{ log: EmbeddedLog; ground: TestGround }> {
  const ground = testGround(changes)
  return { log: await EmbeddedLog.open(ground), ground }
}

/** The same on the storage that users have. */
export function segmentGround(): AnyGround {
  const ground = testGround()
  return { ...ground, folders: segments(ground) }
}

function segments({ files, clock, warn }: AnyGround): PartitionFolders {
  return { open: (folder, settings) => openPartition(folder, settings, { files, clock, warn }), remove: folder => removeFolder(files, folder) }
}

/** The process dies and another one opens what is there. */
export function afterCrash<T extends AnyGround>(ground: T): T {
  const { folders } = ground
  ground.files.stop()
  const after = { ...ground, files: ground.files.afterKill() }
  if (!(folders instanceof NaiveDisk)) return { ...after, folders: segments(after) }
  folders.crash()
  return after
}

/** Values of all records as `partition:offset value`. */
export function valuesOf(fetched: readonly Fetched[]): string[] {
  const found: string[] = []
  const cursor = new RecordCursor()
  for (const { partition, bytes, from } of fetched) {
    for (cursor.open(bytes); cursor.next(); ) {
      if (cursor.offset < from) continue
      found.push(`${partition}:${cursor.offset} ${Buffer.from(cursor.bytes).toString('utf8', cursor.valueStart, cursor.valueEnd)}`)
    }
  }
  return found
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
