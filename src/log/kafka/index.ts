/** The log on Apache Kafka 2.8 and newer. Loads the client: import it when it is needed. */
export { connectKafka } from './kafka-log.ts'
export type { KafkaLogin, KafkaOptions, KafkaTls } from './options.ts'
