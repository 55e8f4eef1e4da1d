/**
 * What the storage of one partition offers to the log above it (topics, producers, groups, transactions, consumers).
 *
 * Everything here is about bytes of record batches. One owner calls it; the order of `append` calls is the order on disk.
 */
import type { Durability } from '../../log.ts'

export interface AppendedBatch {
  readonly offset: bigint
  /** True where the producer's sequence was seen before: nothing was written, `offset` is that of the first time. */
  readonly duplicate: boolean
}

/** A transaction that was aborted: records of this producer from `first` up to the marker at `last` are to be skipped. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly first: bigint
  readonly last: bigint
}

/** A transaction that has no marker here yet. */
export interface OpenTransaction {
  readonly producerId: bigint
  readonly epoch: number
  /** Offset of its first record. */
  readonly first: bigint
}

export interface PartitionRead {
  /** Whole batches as they lie on disk; the first holds `from` or begins behind it. Empty where nothing may be read yet. */
  readonly bytes: Uint8Array
  /** Offset behind the last batch of `bytes`; `from` where nothing was read. A quarantined range is skipped: `next` then lies behind it. */
  readonly next: bigint
  readonly aborted: readonly AbortedTransaction[]
}

export interface PartitionStorage {
  /** First offset kept. */
  readonly start: bigint
  /** Behind the last record that may be seen: what a crash could take back is not (with `fsync`). */
  readonly end: bigint
  /** Behind the last record appended, seen or not. */
  readonly appended: bigint
  /** Below the first open transaction, at most `end`. */
  readonly stable: bigint
  /** What `stable` waits for. After a restart the coordinator ends each of them, so that none hangs. */
  readonly transactions: readonly OpenTransaction[]
  readonly bytes: number
  readonly trouble: string | undefined
  readonly quarantined: readonly { readonly from: bigint; readonly to: bigint }[]
  /**
   * Appends one batch: checks it (CRC, sequence, epoch), gives it its offset in place, queues it for the group commit. Resolves when the durability of the
   * topic is reached. Refusals (LOG_SEQUENCE, LOG_FENCED, LOG_BATCH_TOO_LARGE, LOG_CORRUPT) leave nothing behind. LOG_DISK_FULL may be tried again.
   * LOG_STOPPED after a failed fsync: nothing is taken until the log is opened anew. Batches are acknowledged in the order of the calls; where one is refused
   * by the disk, those behind it are refused too. The array is not kept: once it has settled, its
   * owner may use it for something else. Never throws at once.
   */
  append(batch: Uint8Array): Promise<AppendedBatch>
  /**
   * Writes the marker that ends a transaction of the producer here. Its epoch may be above that of the records: older ones are refused from then on, and
   * the sequence begins at 0 again.
   */
  appendMarker(producerId: bigint, epoch: number, commit: boolean): Promise<AppendedBatch>
  /** `until`: `end` or `stable`, as the isolation says. At least one batch where there is one, else at most `maxBytes`. */
  read(from: bigint, maxBytes: number, until: bigint): Promise<PartitionRead>
  /** First offset with a time at or after `time`, undefined where there is none. */
  offsetAt(time: number): Promise<bigint | undefined>
  /** Calls back once after `end` has moved beyond `offset`, soon where it has already; `stable` is up to date by then. The answer cancels. */
  onEnd(offset: bigint, callback: () => void): () => void
  /** Gives up what lies below; durable when it resolves. */
  deleteBefore(offset: bigint): Promise<bigint>
  /** Applies retention and compaction now; answers what went. */
  clean(now: number): Promise<{ readonly deletedBytes: number; readonly compactedBytes: number }>
  configure(settings: StorageSettings): void
  /** Waits for what is under way. Afterwards every call is LOG_CLOSED. */
  close(): Promise<void>
}

/** Like TopicSettings, all given. */
export interface StorageSettings {
  readonly durability: Durability
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly maxBatchBytes: number
  readonly deleteRetentionMs: number
  readonly timestamps: 'create' | 'append'
}
