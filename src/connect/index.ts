/**
 * The built-in sources, sinks and formats, one file for each or for a few of a kind.
 *
 * Owns: how the outside is read and written. Heavy libraries are loaded when a component that needs them is opened.
 * Never here: what happens to events between a source and a sink.
 */
import type { SinkDeclaration, SourceDeclaration } from '../engine/index.ts'
import { amqpSink, amqpSource } from './amqp/index.ts'
import { log as logSink } from './log/sink.ts'
import { log as logSource } from './log/source.ts'
import { mqttSink, mqttSource } from './mqtt/index.ts'
import { natsSink, natsSource } from './nats/index.ts'
import { s3Sink, s3Source } from './s3/index.ts'
import { file as fileSink } from './sinks/file.ts'
import { http as httpSink } from './sinks/http.ts'
import { postgresSink, postgresSource } from './postgres/index.ts'
import { redisSink, redisSource } from './redis/index.ts'
import { discard, stdout } from './sinks/simple.ts'
import { file as fileSource } from './sources/file.ts'
import { generate } from './sources/generate.ts'
import { httpClient } from './sources/http-client.ts'
import { httpServer } from './sources/http-server.ts'
import { exec, stdin } from './sources/process.ts'

export { codecs } from './codecs/index.ts'
export { amqpSink, amqpSource, discard, exec, fileSink, fileSource, generate, httpClient, httpServer, httpSink, logSink, logSource, mqttSink, mqttSource, natsSink, natsSource, postgresSink, postgresSource, redisSink, redisSource, stdin, stdout, s3Sink, s3Source }
export { shareLog } from './log/open-logs.ts'
export const sources: readonly SourceDeclaration[] = [amqpSource, exec, fileSource, generate, httpClient, httpServer, logSource, mqttSource, natsSource, postgresSource, redisSource, stdin, s3Source]
export const sinks: readonly SinkDeclaration[] = [amqpSink, discard, fileSink, httpSink, logSink, mqttSink, natsSink, postgresSink, redisSink, stdout, s3Sink]
