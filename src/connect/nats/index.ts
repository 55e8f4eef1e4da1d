/**
 * NATS JetStream as a source and as a sink.
 *
 * Owns: the connection, durable consumers, and what errors of NATS mean. The client is loaded when a component is opened.
 */
export { natsSink } from './sink.ts'
export { natsSource } from './source.ts'
