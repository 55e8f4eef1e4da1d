/**
 * What the adapter knows of a cluster: its brokers, who leads which partition, who coordinates which group or transaction.
 *
 * All of it may be out of date at any moment; a broker that is asked in vain says so, and then it is looked up again. Topics are looked up by name and never made
 * by looking. A topic that seems not to be there is looked for a few times more: brokers learn of a new one one after the other.
 */
import { findCoordinatorV3, metadataV11 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import { TIMEOUT_DEFAULT, throwIfAborted, within } from '../embedded/calls.ts'
import type { Call, TopicPartition } from '../log.ts'
import { BROKER, brokerCodeOf, brokerError, check, mayRetry } from './errors.ts'
import type { Link } from './link.ts'
import { Links, requestTimeoutOf } from './links.ts'
import type { LinkNeeds } from './links.ts'
import { nameOfEndpoint } from './options.ts'
import type { Endpoint, KafkaOptions } from './options.ts'

const PAUSE_MIN = 20
const PAUSE_MAX = 1000
/** Pauses between looks for a topic that is not there. */
const LOOKS = [40, 80, 160]
/** Milliseconds after which the number of partitions of a topic is looked up again. */
const STALE_AFTER = 300_000

export interface TopicPlaces {
  readonly name: string
  /** Tells a topic from one of the same name that was made later. */
  readonly id: string
  readonly isInternal: boolean
  /** The broker that leads each partition; -1 for none at the moment. */
  readonly leaders: readonly number[]
  /** In `clock.monotonic()`. */
  readonly seenAt: number
}

export type CoordinatorKind = 'group' | 'transaction'

export class Cluster {
  readonly clock: Clock
  readonly options: KafkaOptions
  readonly warn: (message: string) => void
  readonly #seeds: readonly Endpoint[]
  readonly #links: Links
  readonly #brokers = new Map<number, Endpoint>()
  readonly #topics = new Map<string, TopicPlaces>()
  readonly #coordinators = new Map<string, number>()
  #controller = -1

  constructor(seeds: readonly Endpoint[], options: KafkaOptions, clock: Clock) {
    this.#seeds = seeds
    this.options = options
    this.clock = clock
    this.warn = options.warn ?? (() => undefined)
    this.#links = this.links({ inFlight: 5 })
  }

  /** Connections of one's own. */
  links(needs: LinkNeeds): Links {
    return new Links(this.options, needs, this.clock)
  }

  async close(): Promise<void> {
    await this.#links.close()
  }

  /** Milliseconds after which a broker that does not answer is given up. */
  get requestTimeout(): number {
    return requestTimeoutOf(this.options)
  }

  get endpoints(): string {
    return this.#seeds.map(nameOfEndpoint).join(',')
  }

  get brokers(): readonly number[] {
    return [...this.#brokers.keys()]
  }

  /**
   * Repeats work while its error says that another attempt may help, until the call's deadline, with pauses that grow. At the end it throws what the last
   * attempt threw: that says more than "too slow".
   */
  persist<T>(call: Call | undefined, what: string, work: () => Promise<T>): Promise<T> {
    const until = this.clock.monotonic() + (call?.timeout ?? TIMEOUT_DEFAULT)
    return within(this.clock, call, what, async () => {
      for (let pause = PAUSE_MIN; ; pause = Math.min(PAUSE_MAX, pause * 2)) {
        try {
          return await work()
        } catch (error) {
          throwIfAborted(call)
          if (!mayRetry(error) || this.clock.monotonic() + pause >= until) throw error
          await this.clock.sleep(pause, call?.signal)
        }
      }
    })
  }

  /** Looks at the cluster once; throws where no broker can be reached or the login is refused. */
  async connect(call?: Call): Promise<void> {
    await within(this.clock, call, 'The connection to the cluster', () => this.#look([]))
  }

  /** Topics as they are now; all of them for null. What is not there is left out. */
  async look(names: readonly string[] | null): Promise<TopicPlaces[]> {
    return (await this.#look(names)).flatMap(({ places }) => places ?? [])
  }

  /** LOG_UNKNOWN_TOPIC where it is not there. A topic that was seen before is answered from memory, and so is one that `known` says is still good. */
  async topic(name: string, isGood: (known: TopicPlaces) => boolean = () => true): Promise<TopicPlaces> {
    const known = this.known(name)
    if (known !== undefined && isGood(known)) return known
    for (let look = 0; ; look++) {
      const [found] = await this.#look([name])
      const pause = LOOKS[look]
      if (found?.places !== undefined && (isGood(found.places) || pause === undefined)) return found.places
      if (pause === undefined || (found !== undefined && found.error !== BROKER.UNKNOWN_TOPIC_OR_PARTITION && found.error !== BROKER.LEADER_NOT_AVAILABLE && found.error !== 0)) {
        throw brokerError(found?.error ?? BROKER.UNKNOWN_TOPIC_OR_PARTITION, `The topic "${name}"`)
      }
      await this.clock.sleep(pause)
    }
  }

  /** What is remembered of a topic, unless it is old. */
  known(name: string): TopicPlaces | undefined {
    const known = this.#topics.get(name)
    return known !== undefined && this.clock.monotonic() - known.seenAt < STALE_AFTER ? known : undefined
  }

  /** Forgets where the partitions of a topic are: a broker said that it is not there. */
  forget(topic: string): void {
    this.#topics.delete(topic)
  }

  /** The broker that leads a partition; LOG_UNKNOWN_TOPIC where there is no such partition. */
  async leaderOf({ topic, partition }: TopicPartition): Promise<number> {
    const { leaders } = await this.topic(topic, known => partition < known.leaders.length && known.leaders[partition] !== -1)
    const leader = leaders[partition]
    if (leader === undefined) throw noPartition(topic, partition, leaders.length)
    if (leader === -1) throw brokerError(BROKER.LEADER_NOT_AVAILABLE, `"${topic}" partition ${partition}`)
    return leader
  }

  /** The connection to a broker, out of the given ones. */
  link(broker: number, links: Links = this.#links): Link {
    const endpoint = this.#brokers.get(broker)
    if (endpoint === undefined) throw new SluiceError('LOG_CONNECT', `The cluster does not tell where its broker ${broker} is.`)
    return links.to(endpoint)
  }

  /** A connection to some broker: the first of them, in the order in which they were named, that can be reached. */
  async any(): Promise<Link> {
    const errors: SluiceError[] = []
    const endpoints = new Map([...this.#seeds, ...this.#brokers.values()].map(endpoint => [nameOfEndpoint(endpoint), endpoint]))
    const links = [...endpoints.values()].map(endpoint => this.#links.to(endpoint)).sort((a, b) => Number(b.isOpen) - Number(a.isOpen))
    for (const link of links) {
      try {
        await link.ready(metadataV11.api.key, metadataV11.api.version)
        return link
      } catch (error) {
        // A wrong password does not get better at the next broker, and may lock the account.
        if (!(error instanceof SluiceError) || !error.retry) throw error
        errors.push(error)
      }
    }
    const [first] = errors
    if (first !== undefined && errors.length === 1) throw first
    throw new SluiceError('LOG_CONNECT', `No broker could be reached. ${errors.map(({ message }) => message).join(' ')}`, { cause: first })
  }

  /** The broker that makes and deletes topics. */
  async controller(): Promise<Link> {
    if (!this.#brokers.has(this.#controller)) await this.#look([])
    return this.#brokers.has(this.#controller) ? this.link(this.#controller) : this.any()
  }

  forgetController(): void {
    this.#controller = -1
  }

  async coordinator(kind: CoordinatorKind, key: string): Promise<number> {
    const known = this.#coordinators.get(`${kind} ${key}`)
    if (known !== undefined) return known
    const link = await this.any()
    const { coordinators } = await link.request(findCoordinatorV3.api, kind === 'group' ? 0 : 1, [key])
    const [found] = coordinators
    if (found === undefined) throw brokerError(BROKER.COORDINATOR_NOT_AVAILABLE, `The coordinator of "${key}"`)
    check(found.errorCode, `The coordinator of "${key}"`, found.errorMessage)
    this.#brokers.set(found.nodeId, { host: found.host, port: found.port })
    this.#coordinators.set(`${kind} ${key}`, found.nodeId)
    return found.nodeId
  }

  /**
   * Asks a coordinator, and looks for it again where it moved. `work` throws what its answer says. For one attempt: `persist` repeats it.
   */
  async atCoordinator<T>(kind: CoordinatorKind, key: string, work: (link: Link) => Promise<T>, links?: Links): Promise<T> {
    const broker = await this.coordinator(kind, key)
    try {
      return await work(this.link(broker, links))
    } catch (error) {
      const code = brokerCodeOf(error)
      const hasMoved = code === BROKER.NOT_COORDINATOR || code === BROKER.COORDINATOR_NOT_AVAILABLE
      if (hasMoved || (error instanceof SluiceError && error.code === 'LOG_CONNECT')) this.#coordinators.delete(`${kind} ${key}`)
      throw error
    }
  }

  async #look(names: readonly string[] | null): Promise<{ readonly error: number; readonly places: TopicPlaces | undefined }[]> {
    const link = await this.any()
    const { brokers, topics, controllerId } = await link.request(metadataV11.api, names === null ? null : [...names], false, false)
    const seenAt = this.clock.monotonic()
    for (const { nodeId, host, port } of brokers) this.#brokers.set(nodeId, { host, port })
    this.#controller = controllerId
    return topics.map(({ errorCode, name, topicId, isInternal, partitions }) => {
      if (typeof name !== 'string') return { error: errorCode, places: undefined }
      if (errorCode !== BROKER.NONE) {
        this.#topics.delete(name)
        return { error: errorCode, places: undefined }
      }
      const leaders: number[] = Array.from({ length: partitions.length }, () => -1)
      for (const { partitionIndex, leaderId } of partitions) if (partitionIndex < leaders.length) leaders[partitionIndex] = leaderId
      const places: TopicPlaces = { name, id: topicId, isInternal, leaders, seenAt }
      this.#topics.set(name, places)
      return { error: 0, places }
    })
  }
}

export function noPartition(topic: string, partition: number, count: number): SluiceError {
  return new SluiceError('LOG_UNKNOWN_TOPIC', `"${topic}" has no partition ${partition}: it has ${count}, counted from 0.`)
}
