/** Looks at the files of a log from outside, and changes nothing. */
export { dumpSegment } from './dump.ts'
export { verifyLog } from './verify.ts'
