/** An embedded log on simulated files and the naive storage, for tests. */
import { SimulatedClock, seededRandom } from '../../platform/index.ts'
import { SimulatedFiles } from '../../platform/simulated-files.ts'
import { RecordCursor } from '../batch/index.ts'
import type { Fetched } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'
import type { Ground } from './embedded-log.ts'
import { NaiveDisk } from './naive-storage.fixture.ts'

export interface TestGround extends Ground {
  readonly clock: SimulatedClock
  readonly files: SimulatedFiles
  readonly folders: NaiveDisk
  readonly warnings: string[]
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

/** The process dies and another one opens what is there. */
export function afterCrash(ground: TestGround): TestGround {
  ground.folders.crash()
  ground.files.stop()
  return { ...ground, files: ground.files.afterKill() }
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
