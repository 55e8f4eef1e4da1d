/** The port of the log, for those who look after it: topics and groups. */
import type { Call, Durability, OffsetToCommit, Start, TopicPartition } from './log.ts'

/** Settings of a topic. Absent: the log's default. */
export interface TopicSettings {
  /** Milliseconds that records are kept; -1 for ever. Default 7 days. */
  readonly retentionMs?: number | undefined
  /** Bytes of a partition that are kept; -1 for no limit, the default. Whole segments go, so somewhat more is kept. */
  readonly retentionBytes?: number | undefined
  /** `delete` drops old segments, `compact` keeps the newest record of each key. Default `delete`. */
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete' | undefined
  /** Bytes of a segment; default 1 GiB. */
  readonly segmentBytes?: number | undefined
  /** Milliseconds after which a segment is closed though it is not full; default 7 days. */
  readonly segmentMs?: number | undefined
  /** Bytes of a record batch at most; default 1 MiB + 12. */
  readonly maxBatchBytes?: number | undefined
  /** Milliseconds that tombstones and markers stay after compaction; default 1 day. */
  readonly deleteRetentionMs?: number | undefined
  /** Embedded only. */
  readonly durability?: Durability | undefined
  /** `create`: the producer's time stays; `append`: the log's own time replaces it. */
  readonly timestamps?: 'create' | 'append' | undefined
}

export interface NewTopic {
  /** 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`. */
  readonly name: string
  /** Default 1. */
  readonly partitions?: number | undefined
  /** Kafka only; default the cluster's. */
  readonly replicas?: number | undefined
  readonly settings?: TopicSettings | undefined
}

export interface PartitionDescription {
  readonly partition: number
  /** First offset that is kept. */
  readonly start: bigint
  /** Offset behind the last record that consumers may see. */
  readonly end: bigint
  /** Offset up to which committed readers see: below the first open transaction. Undefined where the adapter can't tell. */
  readonly stable: bigint | undefined
  /** Undefined where the adapter can't tell. */
  readonly bytes: number | undefined
  /** Why nothing can be written, e.g. a failed fsync; undefined when all is well. */
  readonly trouble?: string | undefined
  /** Ranges of offsets that were found damaged and are not served. */
  readonly quarantined?: readonly { readonly from: bigint; readonly to: bigint }[] | undefined
}

export interface TopicDescription {
  readonly name: string
  readonly internal: boolean
  readonly partitions: readonly PartitionDescription[]
  /** All settings that differ from the default, and those that matter for durability. */
  readonly settings: TopicSettings
}

export interface GroupDescription {
  readonly group: string
  readonly state: 'empty' | 'preparing' | 'completing' | 'stable' | 'dead'
  readonly generation: number
  readonly assignor: string | undefined
  readonly members: readonly { readonly id: string; readonly client: string; readonly partitions: readonly TopicPartition[] }[]
  /** Committed offsets with their lag: end minus the offset, counted from the first kept record where the offset lies below it. */
  readonly offsets: readonly (OffsetToCommit & { readonly lag: bigint })[]
}

export interface Admin {
  /** LOG_TOPIC_EXISTS where it is there. All or none. */
  createTopics(topics: readonly NewTopic[], call?: Call): Promise<void>
  listTopics(call?: Call): Promise<string[]>
  /** LOG_UNKNOWN_TOPIC where one is missing. */
  describeTopics(names: readonly string[], call?: Call): Promise<TopicDescription[]>
  alterTopic(name: string, change: { readonly settings?: TopicSettings | undefined; readonly partitions?: number | undefined }, call?: Call): Promise<void>
  deleteTopics(names: readonly string[], call?: Call): Promise<void>
  /** Gives up all records below the offsets; answers the new first offsets. */
  deleteRecords(before: readonly (TopicPartition & { readonly offset: bigint })[], call?: Call): Promise<(TopicPartition & { readonly start: bigint })[]>
  /** The offsets that the starts mean now. A time: the first record at or after it, else the end. */
  offsets(asked: readonly (TopicPartition & { readonly start: Start })[], call?: Call): Promise<(TopicPartition & { readonly offset: bigint })[]>
  listGroups(call?: Call): Promise<string[]>
  describeGroup(group: string, call?: Call): Promise<GroupDescription>
  /** Sets offsets of a group without members (LOG_GROUP_BUSY otherwise). */
  resetOffsets(group: string, offsets: readonly OffsetToCommit[], call?: Call): Promise<void>
  /** Takes all members out of a group; answers how many there were. What they read and did not commit is read again; those that are alive may join anew. */
  removeMembers(group: string, call?: Call): Promise<number>
  /** LOG_GROUP_BUSY while it has members. */
  deleteGroup(group: string, call?: Call): Promise<void>
}
