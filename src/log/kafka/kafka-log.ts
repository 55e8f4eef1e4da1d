/**
 * The log on Apache Kafka.
 *
 * The client brings connections, encryption, login and the forms of requests; what makes the promises of the port true is here: see
 * docs/decisions/0012-own-kafka-core.md.
 */
import { SluiceError } from '../../base/index.ts'
import { systemClock, systemRandom } from '../../platform/index.ts'
import { CODECS } from '../batch/index.ts'
import { within } from '../embedded/calls.ts'
import type { Call, Consumer, ConsumerOptions, GroupConsumer, GroupOptions, Log, LogFeatures, Producer, ProducerOptions } from '../log.ts'
import { KafkaAdmin } from './admin.ts'
import { Cluster } from './cluster.ts'
import { KafkaConsumer } from './consumer.ts'
import { KafkaGroupConsumer } from './group-consumer.ts'
import { parseAddress } from './options.ts'
import type { KafkaOptions } from './options.ts'
import { KafkaProducer } from './producer.ts'

interface Closable {
  close(call?: Call): Promise<void>
}

export class KafkaLog implements Log {
  readonly features: LogFeatures = { name: 'kafka', transactions: true, groups: true, compaction: true, durability: ['os'], codecs: CODECS, deleteRecords: true }
  readonly admin: KafkaAdmin
  readonly #cluster: Cluster
  readonly #producers = new Set<Closable>()
  readonly #consumers = new Set<Closable>()
  #closing: Promise<void> | undefined

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.admin = new KafkaAdmin(cluster, () => this.#checkOpen())
  }

  describe(): string {
    return `Apache Kafka at ${this.#cluster.endpoints}: records are with all replicas in step when acknowledged`
  }

  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen()
    const producer = new KafkaProducer(this.#cluster, options, systemRandom, closed => this.#producers.delete(closed))
    this.#producers.add(producer)
    return producer
  }

  consumer(options: ConsumerOptions = {}): Consumer {
    this.#checkOpen()
    const consumer = new KafkaConsumer(this.#cluster, options, closed => this.#consumers.delete(closed))
    this.#consumers.add(consumer)
    return consumer
  }

  group(options: GroupOptions): GroupConsumer {
    this.#checkOpen()
    const consumer = new KafkaGroupConsumer(this.#cluster, options, closed => this.#consumers.delete(closed))
    this.#consumers.add(consumer)
    return consumer
  }

  /** A call that is given up leaves the closing under way. */
  async close(call?: Call): Promise<void> {
    this.#closing ??= this.#close(call)
    const closing = this.#closing
    await within(this.#cluster.clock, call, 'The closing of the log', () => closing)
  }

  async #close(call: Call | undefined): Promise<void> {
    // Members first: what they do when they give partitions back may need a producer.
    await this.#end('consumer', this.#consumers, call)
    await this.#end('producer', this.#producers, call)
    await this.#cluster.close()
  }

  async #end(name: string, all: Iterable<Closable>, call: Call | undefined): Promise<void> {
    for (const result of await Promise.allSettled([...all].map(async each => each.close(call)))) {
      if (result.status === 'rejected') this.#cluster.warn(`A ${name} did not close well: ${String(result.reason)}`)
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new SluiceError('LOG_CLOSED', `The connection to ${this.#cluster.endpoints} is closed.`)
  }
}

/**
 * Opens the log on the cluster at `kafka://HOST:PORT,HOST2:PORT`. One of the brokers must answer: LOG_CONNECT, LOG_TLS or LOG_AUTH where none does.
 */
export async function connectKafka(address: string, options: KafkaOptions = {}, call?: Call): Promise<Log> {
  const cluster = new Cluster(parseAddress(address), options, options.clock ?? systemClock)
  try {
    await cluster.connect(call)
  } catch (error) {
    await cluster.close()
    throw error
  }
  return new KafkaLog(cluster)
}
