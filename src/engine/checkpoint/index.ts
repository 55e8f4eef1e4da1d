export { CheckpointLog } from './log.ts'
export type { Cut } from './record.ts'
