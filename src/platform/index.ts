/**
 * Time, chance, files and network: the only way that the code reaches them, so that tests can drive, break and replay them.
 */
export { SimulatedClock, systemClock } from './clock.ts'
export type { Clock } from './clock.ts'
export { failpoint } from './failpoints.ts'
export type { Failpoint } from './failpoints.ts'
export { firstLineNow, readOnlyFiles, readTextNow, stampOf, systemFiles } from './files.ts'
export type { Files, OpenFile } from './files.ts'
export { lockFolder } from './folder-lock.ts'
export type { FolderLock } from './folder-lock.ts'
export { seededRandom, systemRandom } from './random.ts'
