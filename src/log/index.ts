/** The log: durable records in a folder, or on Apache Kafka, behind one port. */
export type { Admin, GroupDescription, NewTopic, PartitionDescription, TopicDescription, TopicSettings } from './admin.ts'
export type {
  Appended, Call, Compression, Consumer, ConsumerOptions, Durability, Fetched, GroupConsumer, GroupOptions, GroupReference, Isolation, Log, LogFeatures,
  OffsetToCommit, Partitioner, Producer, ProducerOptions, ProducerRecord, RecordHeader, Start, TopicPartition,
} from './log.ts'
