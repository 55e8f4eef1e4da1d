/** The log: durable records in a folder, or on Apache Kafka, behind one port. */
export type { Admin, GroupDescription, NewTopic, PartitionDescription, TopicDescription, TopicSettings } from './admin.ts'
export { BatchWriter, RecordCursor, baseTimestampOf, batchLengthAt, compressBatch, countOf, headersAt, records as recordsOf } from './batch/index.ts'
/** What looks at the files of a folder: loaded when it is asked for. */
export const inspection = () => import('./embedded/inspection.ts')
export type { BatchDump } from './embedded/dump.ts'
export type { Finding, Verified } from './embedded/verify.ts'
export { partitionerOf } from './partitioners/index.ts'
export { openLog } from './open.ts'
export type { KafkaAccess, OpenOptions } from './open.ts'
export type {
  Appended, Call, Compression, Consumer, ConsumerOptions, Durability, Fetched, GroupConsumer, GroupOptions, GroupReference, Isolation, Log, LogFeatures,
  OffsetToCommit, Partitioner, Producer, ProducerOptions, ProducerRecord, RecordHeader, Start, TopicPartition,
} from './log.ts'
