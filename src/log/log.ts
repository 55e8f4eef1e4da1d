/**
 * The port of the log: ordered, partitioned, durable records.
 *
 * Adapters: `embedded/` (segment files in a folder, one process) and `kafka/` (Apache Kafka). Both pass `conformance/`; what an adapter can't do it says in
 * `features`, and the suite switches on that. Names and meanings are Kafka's, so that what is learned there holds here.
 *
 * Bytes first: the hot path hands over whole record batches (Kafka's record batch v2, see `batch/`), never an object per record. `send` and `records` are
 * conveniences on top.
 *
 * Every call takes a `Call`: a signal and a deadline. A call that is given up throws ABORTED or TIMED_OUT; whether it took effect is then unknown, unless
 * its description says otherwise. Errors come from the registry; `retry` says whether another attempt may help.
 */
import type { Admin } from './admin.ts'

export interface Call {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds until TIMED_OUT; default 30,000. */
  readonly timeout?: number | undefined
}

/** What an acknowledgement means. `fsync`: on disk. `interval`: on disk within so many milliseconds. `os`: with the operating system. */
export type Durability = 'fsync' | { readonly interval: number } | 'os'

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export type Isolation = 'read_committed' | 'read_uncommitted'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A place to read from. An offset below the first record that is kept, or behind the end, is LOG_OFFSET_OUT_OF_RANGE. */
export type Start = bigint | 'earliest' | 'latest' | { readonly time: number }

/** What an adapter can do. */
export interface LogFeatures {
  readonly name: 'embedded' | 'kafka'
  readonly transactions: boolean
  readonly groups: boolean
  readonly compaction: boolean
  readonly durability: readonly ('fsync' | 'interval' | 'os')[]
  readonly codecs: readonly Compression[]
  readonly deleteRecords: boolean
}

export interface Log {
  readonly features: LogFeatures
  /** For people: where it is and how durable an acknowledgement is. */
  describe(): string
  readonly admin: Admin
  producer(options?: ProducerOptions): Producer
  consumer(options?: ConsumerOptions): Consumer
  group(options: GroupOptions): GroupConsumer
  /** Waits for what is under way (acks, flushes), then closes. Producers and consumers made from it are closed too. */
  close(call?: Call): Promise<void>
}

/** A record to be written. `undefined` and `null` mean absent; a null value is a tombstone in a compacted topic. */
export interface ProducerRecord {
  readonly topic: string
  /** Chosen by the partitioner where absent. */
  readonly partition?: number | undefined
  readonly key?: Uint8Array | null | undefined
  readonly value: Uint8Array | null
  readonly headers?: readonly RecordHeader[] | undefined
  /** Milliseconds since 1970; default now. */
  readonly timestamp?: number | undefined
}

export type RecordHeader = readonly [name: string, value: Uint8Array | null]

/** Chooses a partition of `0 .. partitions - 1`. `sticky` for records without a key: the one that the producer fills at present. */
export type Partitioner = (key: Uint8Array | null, partitions: number, sticky: number) => number

export interface ProducerOptions {
  /** Default `murmur2`, Java's. */
  readonly partitioner?: 'murmur2' | 'ring' | Partitioner | undefined
  readonly compression?: Compression | undefined
  /** Milliseconds that a batch may wait for more records; default 0: whatever gathered while the last write was under way. */
  readonly linger?: number | undefined
  /** Bytes of a batch, uncompressed, to aim at; default 64 KiB. */
  readonly batchBytes?: number | undefined
  /** Bytes of records that wait for their acks; beyond it `send` waits. Default 32 MiB. */
  readonly bufferBytes?: number | undefined
  /** Each record once and in order, also across retries. Default true. */
  readonly idempotent?: boolean | undefined
  /** Milliseconds after which a record that was not acknowledged is refused; default 30,000. Infinity: it goes out again and again, for as long as another attempt may help. */
  readonly deliveryTimeout?: number | undefined
  /** Makes the producer transactional, under this name. A second producer of this name fences the first (LOG_FENCED). */
  readonly transactionalId?: string | undefined
  /** Milliseconds after which an unfinished transaction is aborted; default 60,000. */
  readonly transactionTimeout?: number | undefined
  /**
   * With this, what finds no room on a disk of one's own (LOG_DISK_FULL) is not refused: it waits, with all behind it, and goes out in its order once there is room. Told the
   * error at each attempt in vain, and undefined once there is room again. Closing and aborting end the wait.
   */
  readonly whileFull?: ((error: unknown) => void) | undefined
  /**
   * Told the error where brokers of a cluster have taken nothing of what waits for them for a second, and undefined once they take it again. It changes nothing: what they do
   * not take within `deliveryTimeout` is refused.
   */
  readonly whileAway?: ((error: unknown) => void) | undefined
}

export interface Appended {
  readonly partition: number
  /** Offset of the first record. */
  readonly offset: bigint
}

export interface Producer {
  /** Resolves when the record is acknowledged. Records of one partition keep the order of the calls. */
  send(record: ProducerRecord, call?: Call): Promise<Appended>
  /**
   * Appends one finished record batch (`batch/`), made without producer id; its offset, epoch and sequence are filled in here, in place, and the array
   * must not be touched afterwards. The way of pipelines: nothing is decoded.
   */
  append(topic: string, partition: number, batch: Uint8Array, call?: Call): Promise<Appended>
  /** Resolves when everything handed over before is acknowledged; throws the first error. */
  flush(call?: Call): Promise<void>
  /** Opens a transaction; what is sent until its end belongs to it. */
  begin(call?: Call): Promise<void>
  /** Puts consumed positions into the transaction: the offsets of the NEXT records to read. Calls are put in a row. */
  sendOffsets(group: GroupReference, offsets: readonly OffsetToCommit[], call?: Call): Promise<void>
  /** After it resolves, records and offsets of the transaction are visible together, also after a crash. */
  commit(call?: Call): Promise<void>
  abort(call?: Call): Promise<void>
  close(call?: Call): Promise<void>
}

export interface OffsetToCommit extends TopicPartition {
  readonly offset: bigint
  /** At most 4 KiB. */
  readonly metadata?: string | undefined
}

/** A group, with the member on whose behalf offsets are committed: a member of an old generation is refused (LOG_FENCED). */
export interface GroupReference {
  readonly group: string
  readonly member?: { readonly id: string; readonly generation: number } | undefined
}

export interface ConsumerOptions {
  /** Default `read_committed`. */
  readonly isolation?: Isolation | undefined
  /** Bytes that `fetch` returns at most, over all partitions; a single larger batch is returned alone. Default 1 MiB. */
  readonly maxBytes?: number | undefined
}

/** Record batches of one partition, in order: whole batches, without control batches and without those of aborted transactions where committed is read. */
export interface Fetched extends TopicPartition {
  /** One or more batches, one behind the other. May begin with records below `from`, and records of a compacted topic may be missing between. */
  readonly bytes: Uint8Array
  /** First offset that was asked for: records below it are to be skipped. */
  readonly from: bigint
  /** Offset to read on from. It may lie behind the last record (control batches, aborted records). */
  readonly next: bigint
  /** End of what may be read at the time of the answer: the lag is `end - next`. */
  readonly end: bigint
}

export interface Consumer {
  /** Replaces the assignment; partitions that stay keep their positions unless a start is given. */
  assign(partitions: readonly (TopicPartition & { readonly start?: Start | undefined })[], call?: Call): Promise<void>
  readonly assigned: readonly TopicPartition[]
  /** Offset of the next record to be fetched. */
  position(partition: TopicPartition): bigint | undefined
  seek(partition: TopicPartition, start: Start, call?: Call): Promise<void>
  /** Keeps partitions out of `fetch` until resumed. */
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** What there is, at once; else waits up to `wait` milliseconds (default 500) for it. Empty when nothing came. One call at a time. */
  fetch(options?: Call & { readonly wait?: number | undefined }): Promise<Fetched[]>
  /** Nobody looks any more at bytes that were fetched: the next answers may be written there. To say so is a favour, not a duty. */
  giveBack?(bytes: Uint8Array): void
  close(call?: Call): Promise<void>
}

export interface GroupOptions extends ConsumerOptions {
  readonly group: string
  /** Names, or a pattern that is matched against the whole name; topics that appear later are taken in. */
  readonly topics: readonly string[] | RegExp
  /** Where a partition without a committed offset starts. Default `earliest`. */
  readonly start?: Start | undefined
  /** Default `range`. `sticky` moves as few partitions as it can. */
  readonly assignor?: 'range' | 'sticky' | undefined
  /** Milliseconds without a sign of life after which the member is dropped; default 10,000. */
  readonly sessionTimeout?: number | undefined
  /** Milliseconds that a member may take to give partitions back; default 60,000. */
  readonly rebalanceTimeout?: number | undefined
  /**
   * Called before partitions go to another member: finish what was read from them and commit, then resolve. The next owner starts after that, or after the
   * rebalance timeout.
   */
  readonly onRevoked?: ((partitions: readonly TopicPartition[]) => Promise<void>) | undefined
  /**
   * Partitions that were lost without being asked (session expired), or because `onRevoked` took too long for them: what was read and not committed will be read by another, and
   * nobody need finish it.
   */
  readonly onLost?: ((partitions: readonly TopicPartition[]) => void) | undefined
  readonly onAssigned?: ((partitions: readonly TopicPartition[]) => void) | undefined
}

export interface GroupConsumer extends Omit<Consumer, 'assign'> {
  /** Joins; resolves when the first assignment (maybe of nothing) is there. */
  join(call?: Call): Promise<void>
  /** For `Producer.sendOffsets`. */
  readonly reference: GroupReference
  /** Commits the offsets of the next records to read; refused with LOG_FENCED when the partitions belong to another member by now. */
  commit(offsets: readonly OffsetToCommit[], call?: Call): Promise<void>
  /** Leaves the group, giving the partitions back first. */
  close(call?: Call): Promise<void>
}
