/**
 * Writes records to topics of a log.
 *
 * Workers make finished record batches; here they are compressed and appended as they are. `write` takes them in and does not wait for their
 * acknowledgement: that is what `flush` is for, so that many batches share one sync of the disk. Order within a partition is kept.
 */
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { Committer, ComponentContext, Sink, SinkChunk, SinkEncoding, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { batchLengthAt, compressBatch, partitionerOf } from '../../log/index.ts'
import type { Producer } from '../../log/index.ts'
import { probeTopics } from '../probes.ts'
import { LogCommitter } from './committer.ts'
import { LOG_FIELDS } from './fields.ts'
import { GOODBYE, placeOf, useLog, whileAway, whileFull } from './open-logs.ts'
import type { LogUse } from './open-logs.ts'
import { RecordBlock, keyBytes, keyOf } from './record-block.ts'

const CONFIG = field.object({
  ...LOG_FIELDS,
  topic: field.string({ minLength: 1, description: 'Topic to write to' }),
  create: field.optional(field.object({ partitions: field.integer({ minimum: 1, maximum: 10_000, default: 1 }) }, { description: 'Make the topic where it is not there' })),
  key: field.optional(field.expression({ description: 'Key of a record; without it the one that the event came with' })),
  headers: field.record(field.expression(), { default: {}, description: 'Headers beside those that the event came with' }),
  time: field.optional(field.expression({ description: 'Time of a record; without it the event\'s own, else now' })),
  partitioner: field.choice(['murmur2', 'ring'], { default: 'murmur2', description: 'How a key finds its partition; murmur2 is Java\'s' }),
  compression: field.choice(['none', 'gzip', 'snappy', 'lz4', 'zstd'], { default: 'none', description: 'Compression of the batches' }),
})
type Config = ValueOf<typeof CONFIG>

/** Bytes that may wait for their acknowledgement before `write` waits too. */
const UNACKNOWLEDGED_MAX = 16 * 1024 * 1024

function encoding(config: Config, context: ComponentContext, facts: JsonValue | undefined): SinkEncoding {
  const partitions = typeof facts === 'object' && facts !== null && 'partitions' in facts ? Number(facts['partitions']) : 1
  const choose = partitionerOf(config.partitioner)
  const parts = { key: config.key, headers: config.headers, time: config.time, now: () => context.now() }
  const partitionOf = (key: string | undefined): string => (key === undefined ? '' : String(choose(keyBytes(key), partitions, 0)))
  return {
    format: 'ndjson',
    options: {},
    target: event => partitionOf(keyOf(event, config.key)),
    targetOf: ({ key }) => partitionOf(key),
    block: () => new RecordBlock(parts),
  }
}

class LogSink implements Sink {
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #place: string
  #use: LogUse | undefined
  #producer: Producer | undefined
  /** Where the pipeline commits by transactions: they are its producer's. */
  #committer: LogCommitter | undefined
  #partitions = 1
  #sticky = 0
  #waiting = 0
  #acks: Promise<void>[] = []
  #failure: unknown

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.#place = placeOf(config, context.folder)
  }

  async open(_mark: JsonValue | undefined, committer?: Committer): Promise<void> {
    const { topic, create } = this.#config
    if (committer instanceof LogCommitter && committer.place === this.#place) this.#committer = committer
    this.#use = await useLog(this.#place, message => this.#context.warn(message))
    const { log } = this.#use
    const known = (await log.admin.listTopics()).includes(topic)
    if (!known && create === undefined) throw new SluiceError('LOG_UNKNOWN_TOPIC', `There is no topic "${topic}" in ${this.#place}. Create it, or let "create" do so.`)
    if (!known) await log.admin.createTopics([{ name: topic, partitions: create?.partitions ?? 1 }])
    const [description] = await log.admin.describeTopics([topic])
    this.#partitions = description?.partitions.length ?? 1
    if (this.#committer === undefined) this.#producer = log.producer({ partitioner: this.#config.partitioner, deliveryTimeout: Infinity, whileFull: whileFull(this.#context), whileAway: whileAway(this.#context) })
  }

  facts(): JsonValue {
    return { partitions: this.#partitions }
  }

  async write(chunk: SinkChunk, signal: AbortSignal): Promise<void> {
    this.#check()
    const producer = (await this.#committer?.transaction()) ?? this.#producer
    if (producer === undefined) throw new SluiceError('LOG_CLOSED', `The sink "${this.#context.id}" is not open.`)
    const partition = chunk.target === '' ? this.#sticky++ % this.#partitions : Number(chunk.target)
    for (let at = 0; at < chunk.bytes.length; ) {
      const length = batchLengthAt(chunk.bytes, at) ?? chunk.bytes.length
      const batch = await compressBatch(chunk.bytes.subarray(at, at + length), this.#config.compression)
      this.#append(producer, partition, batch, signal)
      at += length
    }
    while (this.#waiting > UNACKNOWLEDGED_MAX) await this.#acks[0]
    this.#check()
  }

  #append(producer: Producer, partition: number, batch: Uint8Array, signal: AbortSignal): void {
    const { length } = batch
    this.#waiting += length
    // The producer gives it up by itself, where another attempt can't help, and knows why it had to.
    const ack = producer.append(this.#config.topic, partition, batch, { signal, timeout: Infinity }).then(
      () => undefined,
      (error: unknown) => void (this.#failure ??= error),
    ).then(() => {
      this.#waiting -= length
      void this.#acks.splice(this.#acks.indexOf(ack), 1)
    })
    this.#acks.push(ack)
  }

  #check(): void {
    if (this.#failure === undefined) return
    // Batches behind the one that failed may be in the log already: only a new run, from the last committed position, puts them in order again.
    const { code, message } = this.#failure instanceof SluiceError ? this.#failure : new SluiceError('LOG_BROKER', String(this.#failure))
    throw new SluiceError(code, message, { cause: this.#failure, retry: false })
  }

  async flush(): Promise<undefined> {
    await Promise.all(this.#acks)
    this.#check()
    return undefined
  }

  async close(): Promise<void> {
    // All that was to be kept is acknowledged: what still waits for a broker is given up.
    await this.#producer?.close({ timeout: GOODBYE }).catch(() => undefined)
    await this.#use?.release()
    this.#producer = this.#use = this.#committer = undefined
  }
}

export const log = defineSink({
  type: 'log',
  summary: 'Write to a topic of a log: in a folder, or on Apache Kafka',
  config: CONFIG,
  durable: 'flush',
  examples: [
    { title: 'A topic in a folder', config: { log: './data', topic: 'orders', create: { partitions: 4 }, key: 'event.customer' } },
    { title: 'A topic on Apache Kafka', config: { log: 'kafka://localhost:9092', topic: 'orders', key: 'event.customer', compression: 'lz4' } },
  ],
  encoding,
  ground: (config, context) => placeOf(config, context.folder),
  committer: (ground, pipeline, context) => new LogCommitter(ground, pipeline, context),
  // What `create` makes need not be there.
  probe: async (config, context) => (config.create !== undefined && !config.log.startsWith('kafka://') ? undefined : probeTopics(config, config.create === undefined ? [config.topic] : [], context)),
  create: (config, context) => new LogSink(config, context),
})
