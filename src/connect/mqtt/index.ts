/**
 * MQTT as a source and as a sink.
 *
 * Owns: the connection, the session, and what reasons of a broker mean. The client is loaded when a component is opened.
 */
export { mqttSink } from './sink.ts'
export { mqttSource } from './source.ts'
