/** The storage of one partition: segments in a folder. `partition-port.ts` says what it promises. */
export { openPartition } from './partition.ts'
