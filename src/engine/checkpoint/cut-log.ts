/** Where cuts are kept: in a folder of the pipeline's own (`log.ts`), or with the output itself, in one transaction (`committed.ts`). */
import type { Cut } from './record.ts'

export interface CutLog {
  /** The last committed cut, with the memory of all stages; undefined before the first. */
  readonly last: Cut | undefined
  /** Bytes that were cut off behind the last valid record. */
  readonly torn: number
  /** True where what sinks wrote since the cut before is committed with it: what belongs to the next must then wait. */
  readonly transactional: boolean
  /** Commits a cut. Not to be called again before it has answered. */
  append(cut: Cut): Promise<void>
  close(): Promise<void>
}
