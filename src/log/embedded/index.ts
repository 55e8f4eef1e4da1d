/** The log in a folder of one process: segment files, transactions, groups. Nothing here is shared with another process; the folder is locked. */
export { EmbeddedLog } from './embedded-log.ts'
export { openLog } from './open.ts'
export type { EmbeddedOptions, StorageGround } from './open.ts'
