/** Topics: made, described, changed and deleted. What a broker has begun may not be known to all of them at once; these calls wait until it is seen. */
import {
  IncrementalAlterConfigOperationTypes, createPartitionsV3, createTopicsV6, deleteRecordsV2, deleteTopicsV5, describeConfigsV4, describeLogDirsV2, incrementalAlterConfigsV1,
} from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import type { Admin, GroupDescription, NewTopic, TopicDescription, TopicSettings } from '../admin.ts'
import { within } from '../embedded/calls.ts'
import { checkPartitions, checkTopicName } from '../embedded/topic-settings.ts'
import type { Call, OffsetToCommit, Start, TopicPartition } from '../log.ts'
import type { Cluster, TopicPlaces } from './cluster.ts'
import { BROKER, brokerCodeOf, brokerError, check } from './errors.ts'
import { GroupAdmin } from './group-admin.ts'
import type { Link } from './link.ts'
import { checkRanges, moved, resolveStarts } from './offsets.ts'
import { configsOf, settingsOf } from './settings.ts'
import { groupByTopic } from './transaction-calls.ts'

const TOPIC = 2
/** Set for this very topic, not inherited. */
const OF_THE_TOPIC = 1
/** Milliseconds that the controller may take. */
const CONTROLLER_TIMEOUT = 10_000
const LOOK_EVERY = 25

export class KafkaAdmin implements Admin {
  readonly #cluster: Cluster
  readonly #groups: GroupAdmin
  readonly #checkOpen: () => void

  constructor(cluster: Cluster, checkOpen: () => void) {
    this.#cluster = cluster
    this.#groups = new GroupAdmin(cluster)
    this.#checkOpen = checkOpen
  }

  createTopics(topics: readonly NewTopic[], call?: Call): Promise<void> {
    return this.#do(call, 'The creation of topics', async () => {
      const wanted = topics.map(({ name, partitions = 1, replicas = -1, settings = {} }) => {
        checkTopicName(name)
        checkPartitions(name, partitions)
        return { name, numPartitions: partitions, replicationFactor: replicas, assignments: [], configs: configsOf(name, settings) }
      })
      const twice = wanted.find(({ name }, index) => wanted.findIndex(other => other.name === name) !== index)
      if (twice !== undefined) throw new SluiceError('LOG_TOPIC_EXISTS', `"${twice.name}" is to be created twice. Nothing was created.`)
      if (wanted.length === 0) return
      // Kafka makes each topic for itself. So that it is all or none, it is asked first whether it would.
      if (wanted.length > 1) await this.#create(wanted, true, call)
      await this.#create(wanted, false, call)
      await this.#until(wanted.map(({ name }) => name), call, (found, name) => {
        const count = wanted.find(topic => topic.name === name)?.numPartitions ?? 1
        return found !== undefined && found.leaders.length >= count && !found.leaders.includes(-1)
      })
    })
  }

  listTopics(call?: Call): Promise<string[]> {
    return this.#do(call, 'The list of topics', async () => {
      const topics = await this.#cluster.persist(call, 'The list of topics', () => this.#cluster.look(null))
      return topics.filter(({ isInternal }) => !isInternal).map(({ name }) => name).sort()
    })
  }

  describeTopics(names: readonly string[], call?: Call): Promise<TopicDescription[]> {
    return this.#do(call, 'The description of topics', () => this.#cluster.persist(call, 'The description of topics', async () => {
      for (const name of names) this.#cluster.forget(name)
      const topics = await Promise.all(names.map(name => this.#cluster.topic(name)))
      const places = topics.flatMap(({ name: topic, leaders }) => leaders.map((_leader, partition) => ({ topic, partition })))
      const ask = (start: Start, isolation: 'read_committed' | 'read_uncommitted'): Promise<bigint[]> => resolveStarts(this.#cluster, places.map(place => ({ ...place, start })), isolation, call)
      const [starts, ends, stables, settings, sizes] = await Promise.all([
        ask('earliest', 'read_uncommitted'), ask('latest', 'read_uncommitted'), ask('latest', 'read_committed'), this.#settings(names), this.#sizes(topics),
      ])
      let next = 0
      return topics.map(({ name, isInternal, leaders }): TopicDescription => ({
        name,
        internal: isInternal,
        partitions: leaders.map((_leader, partition) => {
          const at = next++
          return { partition, start: starts[at] ?? 0n, end: ends[at] ?? 0n, stable: stables[at], bytes: sizes.get(`${name} ${partition}`) }
        }),
        settings: settings.get(name) ?? {},
      }))
    }))
  }

  alterTopic(name: string, { settings = {}, partitions }: { readonly settings?: TopicSettings | undefined; readonly partitions?: number | undefined }, call?: Call): Promise<void> {
    return this.#do(call, `The change of "${name}"`, async () => {
      const configs = configsOf(name, settings)
      this.#cluster.forget(name)
      const { leaders } = await this.#cluster.persist(call, `The change of "${name}"`, () => this.#cluster.topic(name))
      if (configs.length > 0) {
        const { responses } = await this.#atController(call, link => link.request(incrementalAlterConfigsV1.api, [
          { resourceType: TOPIC, resourceName: name, configs: configs.map(config => ({ ...config, configOperation: IncrementalAlterConfigOperationTypes.SET })) },
        ], false))
        for (const { errorCode, errorMessage } of responses) check(errorCode, `The change of "${name}"`, errorMessage)
      }
      if (partitions === undefined || partitions === leaders.length) return
      checkPartitions(name, partitions)
      const { results } = await this.#atController(call, link => link.request(createPartitionsV3.api, [{ name, count: partitions, assignments: null }], CONTROLLER_TIMEOUT, false))
      for (const { errorCode, errorMessage } of results) check(errorCode, `The partitions of "${name}"`, errorMessage)
      await this.#until([name], call, found => found !== undefined && found.leaders.length >= partitions && !found.leaders.includes(-1))
    })
  }

  deleteTopics(names: readonly string[], call?: Call): Promise<void> {
    return this.#do(call, 'The deletion of topics', async () => {
      const { responses } = await this.#atController(call, link => link.request(deleteTopicsV5.api, names.map(name => ({ name })), CONTROLLER_TIMEOUT))
      for (const name of names) this.#cluster.forget(name)
      for (const { name, errorCode, errorMessage } of responses) check(errorCode, `The deletion of "${name}"`, errorMessage)
      await this.#until(names, call, found => found === undefined)
    })
  }

  deleteRecords(before: readonly (TopicPartition & { readonly offset: bigint })[], call?: Call): Promise<(TopicPartition & { readonly start: bigint })[]> {
    return this.#do(call, 'The deletion of records', () => this.#cluster.persist(call, 'The deletion of records', async () => {
      const starts = new Map<string, bigint>()
      const leaders = await Promise.all(before.map(at => this.#cluster.leaderOf(at)))
      for (const leader of new Set(leaders)) {
        const here = before.filter((_at, index) => leaders[index] === leader)
        const topics = groupByTopic(here, ({ partition, offset }) => ({ partitionIndex: partition, offset })).map(({ topic: name, parts: partitions }) => ({ name, partitions }))
        const answer = await this.#cluster.link(leader).request(deleteRecordsV2.api, topics, CONTROLLER_TIMEOUT)
        for (const { name, partitions } of answer.topics) {
          for (const { partitionIndex, errorCode, lowWatermark } of partitions) {
            if (errorCode !== BROKER.NONE) throw moved(this.#cluster, errorCode, name, partitionIndex)
            starts.set(`${name} ${partitionIndex}`, lowWatermark)
          }
        }
      }
      return before.map(({ topic, partition }) => ({ topic, partition, start: starts.get(`${topic} ${partition}`) ?? 0n }))
    }))
  }

  offsets(asked: readonly (TopicPartition & { readonly start: Start })[], call?: Call): Promise<(TopicPartition & { readonly offset: bigint })[]> {
    return this.#do(call, 'The look for offsets', async () => {
      await checkRanges(this.#cluster, asked.flatMap(({ start, ...at }) => (typeof start === 'bigint' ? [{ ...at, offset: start }] : [])), call)
      const found = await resolveStarts(this.#cluster, asked, 'read_uncommitted', call)
      return asked.map(({ topic, partition }, index) => ({ topic, partition, offset: found[index] ?? 0n }))
    })
  }

  listGroups(call?: Call): Promise<string[]> {
    return this.#do(call, 'The list of groups', () => this.#groups.list(call))
  }

  describeGroup(group: string, call?: Call): Promise<GroupDescription> {
    return this.#do(call, `The description of the group "${group}"`, () => this.#groups.describe(group, call))
  }

  resetOffsets(group: string, offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    return this.#do(call, `The reset of the group "${group}"`, () => this.#groups.reset(group, offsets, call))
  }

  removeMembers(group: string, call?: Call): Promise<number> {
    return this.#do(call, `Taking out the members of the group "${group}"`, () => this.#groups.removeMembers(group, call))
  }

  deleteGroup(group: string, call?: Call): Promise<void> {
    return this.#do(call, `The deletion of the group "${group}"`, () => this.#groups.delete(group, call))
  }

  async #create(topics: Parameters<typeof createTopicsV6.createRequest>[0], isTrial: boolean, call: Call | undefined): Promise<void> {
    const answer = await this.#atController(call, link => link.request(createTopicsV6.api, topics, CONTROLLER_TIMEOUT, isTrial))
    const failed = answer.topics.find(({ errorCode }) => errorCode !== BROKER.NONE)
    if (failed === undefined) return
    // Somebody else was faster with one of the names: the others are taken back.
    const made = isTrial ? [] : answer.topics.filter(({ errorCode }) => errorCode === BROKER.NONE).map(({ name }) => ({ name }))
    if (made.length > 0) await this.#atController(call, link => link.request(deleteTopicsV5.api, made, CONTROLLER_TIMEOUT))
    throw brokerError(failed.errorCode, `The topic "${failed.name}"`, failed.errorMessage)
  }

  /** Asks the controller; another one where it moved. */
  #atController<T>(call: Call | undefined, work: (link: Link) => Promise<T>): Promise<T> {
    return this.#cluster.persist(call, 'The controller', async () => {
      const answer = await work(await this.#cluster.controller())
      if (isNotController(answer)) {
        this.#cluster.forgetController()
        throw brokerError(BROKER.NOT_CONTROLLER, 'The controller')
      }
      return answer
    })
  }

  /** Waits until the cluster shows what was done. */
  #until(names: readonly string[], call: Call | undefined, isDone: (found: TopicPlaces | undefined, name: string) => boolean): Promise<void> {
    return this.#cluster.persist(call, 'The wait for the brokers', async () => {
      for (;;) {
        const found = new Map((await this.#cluster.look(names)).map(places => [places.name, places]))
        if (names.every(name => isDone(found.get(name), name))) return
        await this.#cluster.clock.sleep(LOOK_EVERY, call?.signal)
      }
    })
  }

  async #settings(names: readonly string[]): Promise<Map<string, TopicSettings>> {
    const link = await this.#cluster.any()
    const { results } = await link.request(describeConfigsV4.api, names.map(name => ({ resourceType: TOPIC, resourceName: name, configurationKeys: null })), false, false)
    return new Map(results.map(({ resourceName, errorCode, errorMessage, configs }) => {
      check(errorCode, `The settings of "${resourceName}"`, errorMessage)
      return [resourceName, settingsOf(configs.filter(({ configSource }) => configSource === OF_THE_TOPIC))]
    }))
  }

  /** Bytes of the leading replicas; nothing where this user may not know. */
  async #sizes(topics: readonly TopicPlaces[]): Promise<Map<string, number>> {
    const sizes = new Map<string, number>()
    const leaders = new Set(topics.flatMap(topic => topic.leaders))
    await Promise.all([...leaders].filter(leader => leader >= 0).map(async leader => {
      const led = topics.map(({ name, leaders: each }) => ({ name, partitions: each.flatMap((other, partition) => (other === leader ? [partition] : [])) }))
      const { results } = await this.#cluster.link(leader).request(describeLogDirsV2.api, led).catch((error: unknown) => {
        if (brokerCodeOf(error) === undefined && !(error instanceof SluiceError && error.code === 'LOG_UNSUPPORTED')) throw error
        return { results: [] }
      })
      for (const { name, partitions } of results.flatMap(result => result.topics)) {
        for (const { partitionIndex, partitionSize } of partitions) sizes.set(`${name} ${partitionIndex}`, Number(partitionSize))
      }
    }))
    return sizes
  }

  #do<T>(call: Call | undefined, what: string, work: () => Promise<T>): Promise<T> {
    return within(this.#cluster.clock, call, what, async () => {
      this.#checkOpen()
      return work()
    })
  }
}

/** True where any part of an answer says that another broker is the controller: then all of them do. */
function isNotController(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null) return false
  return Object.values(answer).some(value => Array.isArray(value) && value.some(part => typeof part === 'object' && part !== null && 'errorCode' in part && part.errorCode === BROKER.NOT_CONTROLLER))
}
