export { CommittedCuts } from './committed.ts'
export type { CutLog } from './cut-log.ts'
export { CheckpointLog } from './log.ts'
export type { Cut } from './record.ts'
