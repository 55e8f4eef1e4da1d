/** Topics and groups of an embedded log, for those who look after them. */
import { SluiceError } from '../../base/index.ts'
import type { Admin, GroupDescription, NewTopic, TopicDescription, TopicSettings } from '../admin.ts'
import type { Call, OffsetToCommit, Start, TopicPartition } from '../log.ts'
import { within } from './calls.ts'
import type { Topic } from './catalog.ts'
import { checkRange } from './fetcher.ts'
import type { EmbeddedParts } from './parts.ts'
import { checkNotInternal, checkPartitions, checkSettings, checkTopicName } from './topic-settings.ts'

export class EmbeddedAdmin implements Admin {
  readonly #parts: EmbeddedParts
  readonly #checkOpen: () => void

  constructor(parts: EmbeddedParts, checkOpen: () => void) {
    this.#parts = parts
    this.#checkOpen = checkOpen
  }

  createTopics(topics: readonly NewTopic[], call?: Call): Promise<void> {
    return this.#do(call, 'The creation of topics', async () => {
      const names = new Set<string>()
      for (const { name, partitions = 1, settings = {} } of topics) {
        checkTopicName(name)
        checkPartitions(name, partitions)
        checkSettings(name, settings)
        if (names.has(name)) throw new SluiceError('LOG_TOPIC_EXISTS', `"${name}" is to be created twice. Nothing was created.`)
        names.add(name)
      }
      await this.#parts.catalog.create(topics)
    })
  }

  listTopics(call?: Call): Promise<string[]> {
    return this.#do(call, 'The list of topics', () => this.#parts.catalog.topics.filter(({ internal }) => !internal).map(({ name }) => name))
  }

  describeTopics(names: readonly string[], call?: Call): Promise<TopicDescription[]> {
    return this.#do(call, 'The description of topics', () => names.map(name => describe(this.#parts.catalog.topic(name))))
  }

  alterTopic(name: string, change: { readonly settings?: TopicSettings | undefined; readonly partitions?: number | undefined }, call?: Call): Promise<void> {
    return this.#do(call, `The change of "${name}"`, async () => {
      checkNotInternal(name)
      this.#parts.catalog.topic(name)
      if (change.partitions !== undefined) checkPartitions(name, change.partitions)
      checkSettings(name, change.settings ?? {})
      await this.#parts.catalog.alter(name, change.settings ?? {}, change.partitions)
    })
  }

  deleteTopics(names: readonly string[], call?: Call): Promise<void> {
    return this.#do(call, 'The deletion of topics', async () => {
      for (const name of names) checkNotInternal(name)
      await this.#parts.catalog.delete(names)
    })
  }

  deleteRecords(before: readonly (TopicPartition & { readonly offset: bigint })[], call?: Call): Promise<(TopicPartition & { readonly start: bigint })[]> {
    return this.#do(call, 'The deletion of records', async () => {
      const found = before.map(({ topic, partition, offset }) => {
        checkNotInternal(topic)
        const target = this.#parts.catalog.partition({ topic, partition })
        if (offset < 0n || offset > target.storage.end) checkRange(target, offset)
        return { target, offset }
      })
      return Promise.all(found.map(async ({ target, offset }) => {
        const { topic, partition, storage } = target
        return { topic, partition, start: offset > storage.start ? await storage.deleteBefore(offset) : storage.start }
      }))
    })
  }

  offsets(asked: readonly (TopicPartition & { readonly start: Start })[], call?: Call): Promise<(TopicPartition & { readonly offset: bigint })[]> {
    return this.#do(call, 'The look for offsets', async () => Promise.all(asked.map(async ({ topic, partition, start }) => {
      const target = this.#parts.catalog.partition({ topic, partition })
      const { storage } = target
      if (typeof start === 'bigint') checkRange(target, start)
      const offset = typeof start === 'bigint' ? start : start === 'earliest' ? storage.start : start === 'latest' ? storage.end : await storage.offsetAt(start.time)
      return { topic, partition, offset: offset ?? storage.end }
    })))
  }

  listGroups(call?: Call): Promise<string[]> {
    return this.#do(call, 'The list of groups', () => this.#parts.groups.names)
  }

  describeGroup(group: string, call?: Call): Promise<GroupDescription> {
    return this.#do(call, `The description of the group "${group}"`, () => {
      const offsets = this.#parts.offsets.committed(group).flatMap(({ key: { topic, partition }, committed: { offset, metadata } }) => {
        const storage = this.#parts.catalog.find(topic)?.partitions[partition]?.storage
        if (storage === undefined) return []
        const from = offset > storage.start ? offset : storage.start
        return [{ topic, partition, offset, metadata, lag: from < storage.end ? storage.end - from : 0n }]
      })
      return { ...this.#parts.groups.describe(group), offsets }
    })
  }

  resetOffsets(group: string, offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    return this.#do(call, `The reset of the group "${group}"`, async () => {
      for (const { topic, partition, offset } of offsets) checkRange(this.#parts.catalog.partition({ topic, partition }), offset)
      this.#parts.groups.checkIdle(group)
      await this.#parts.offsets.commit(group, offsets)
    })
  }

  removeMembers(group: string, call?: Call): Promise<number> {
    return this.#do(call, `Taking out the members of the group "${group}"`, () => this.#parts.groups.dropAll(group))
  }

  deleteGroup(group: string, call?: Call): Promise<void> {
    return this.#do(call, `The deletion of the group "${group}"`, async () => {
      this.#parts.groups.checkIdle(group)
      await this.#parts.offsets.deleteGroup(group)
      this.#parts.groups.forget(group)
    })
  }

  #do<T>(call: Call | undefined, what: string, work: () => T | Promise<T>): Promise<T> {
    return within(this.#parts.clock, call, what, async () => {
      this.#checkOpen()
      return work()
    })
  }
}

function describe({ name, internal, settings, partitions }: Topic): TopicDescription {
  return {
    name,
    internal,
    partitions: partitions.map(({ partition, storage: { start, end, stable, bytes, trouble, quarantined } }) => ({ partition, start, end, stable, bytes, trouble, quarantined })),
    settings: { ...settings, durability: partitions[0]?.settings.durability },
  }
}
