/**
 * RabbitMQ, and other brokers that speak AMQP 0-9-1, as a source and as a sink.
 *
 * Owns: the connection, and what replies of a broker mean. The client is loaded when a component is opened.
 */
export { amqpSink } from './sink.ts'
export { amqpSource } from './source.ts'
