/**
 * The topics of a log: their names, settings and partitions, durable in `meta/topics` (docs/formats/log-meta.md).
 *
 *     absent --> creating --> ready --> deleting --> absent
 *                   |  folders made       |  folders removed
 *                   +---------------------+  a crash in `creating` or `deleting` ends in `absent`: the next open, or the next call about the topic, removes
 *                                            what is left
 *
 * Each arrow is one atomic write of the whole file, so several topics are created all or none. Folders are made after `creating` is durable and before
 * `ready` is; they are gone before a name is free again. So a topic that was made anew never shows old records, and a folder that is named nowhere was not
 * made by a log and is never touched. More partitions are added in the same way (`growing`).
 *
 * Changes run one at a time. The topics in memory are those that are `ready` on disk.
 */
import { join } from 'node:path'
import { SluiceError, suggest } from '../../base/index.ts'
import type { Files } from '../../platform/index.ts'
import type { NewTopic, TopicSettings } from '../admin.ts'
import type { Durability, TopicPartition } from '../log.ts'
import { Serial, eachOf } from './calls.ts'
import { fileError, readDurable, syncNames, writeDurable } from './durable-file.ts'
import type { PartitionFolders } from './partition-folders.ts'
import type { PartitionStorage, StorageSettings } from './storage/partition-port.ts'
import { changedSettings, checkSettings, isInternal, storageSettings } from './topic-settings.ts'

/** Folders that are opened or removed at once. */
const LANES = 8
const PARTITIONS_MAX = 10_000

interface Entry {
  readonly name: string
  /** Counts the topics ever made: a name that is used again gets another one. */
  readonly id: number
  readonly state: 'creating' | 'ready' | 'deleting'
  readonly partitions: number
  /** Partitions that are being added, up to this number. */
  readonly growing?: number | undefined
  readonly settings: TopicSettings
}

interface Content {
  readonly nextId: number
  readonly topics: readonly Entry[]
}

/** One partition of a topic that is there. `gone` once the topic was deleted: whoever still holds it must not use it. */
export class Partition {
  readonly topic: string
  readonly partition: number
  readonly storage: PartitionStorage
  settings: StorageSettings
  gone = false

  constructor(topic: string, partition: number, storage: PartitionStorage, settings: StorageSettings) {
    this.topic = topic
    this.partition = partition
    this.storage = storage
    this.settings = settings
  }

  configure(settings: StorageSettings): void {
    this.settings = settings
    this.storage.configure(settings)
  }

  /** Throws LOG_UNKNOWN_TOPIC once the topic was deleted. */
  check(): this {
    if (this.gone) throw new SluiceError('LOG_UNKNOWN_TOPIC', `The topic "${this.topic}" was deleted.`)
    return this
  }
}

export interface Topic {
  readonly name: string
  readonly id: number
  readonly internal: boolean
  readonly settings: TopicSettings
  readonly partitions: readonly Partition[]
}

export interface CatalogParts {
  readonly folder: string
  readonly files: Files
  readonly folders: PartitionFolders
  readonly durability: Durability
  readonly warn: (message: string) => void
}

export class Catalog {
  readonly #parts: CatalogParts
  readonly #path: string
  readonly #serial = new Serial()
  #content: Content = { nextId: 1, topics: [] }
  readonly #topics = new Map<string, Topic>()
  readonly #listeners = new Set<() => void>()
  /** Asked to forget what hangs on a topic that is being deleted, before its name is free again. */
  forget: (topic: string) => Promise<void> = () => Promise.resolve()

  private constructor(parts: CatalogParts) {
    this.#parts = parts
    this.#path = join(parts.folder, 'meta', 'topics')
  }

  /** Reads the file and opens the partitions of all topics. Throws LOG_FORMAT or LOG_CORRUPT, with nothing changed. */
  static async open(parts: CatalogParts): Promise<Catalog> {
    const catalog = new Catalog(parts)
    const content = await readDurable(parts.files, catalog.#path)
    // The checksum fitted, so this is what `#write` wrote.
    if (content !== undefined) catalog.#content = content as Content
    try {
      await eachOf(catalog.#content.topics.filter(entry => entry.state === 'ready'), LANES, entry => catalog.#openTopic(entry))
    } catch (error) {
      await catalog.close()
      throw error
    }
    return catalog
  }

  /** Removes what a crash left of creations and deletions. What can't be removed now stays noted, and is told. */
  async finishLeftovers(): Promise<void> {
    await this.#serial.run(async () => {
      for (const entry of this.#content.topics) {
        if (entry.state === 'ready' && entry.growing === undefined) continue
        await this.#cleanUp(entry.name).catch((error: unknown) => this.#parts.warn(`What is left of topic "${entry.name}" could not be removed yet: ${String(error)}`))
      }
    })
  }

  get topics(): readonly Topic[] {
    return [...this.#topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  find(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  /** Throws LOG_UNKNOWN_TOPIC. */
  topic(name: string): Topic {
    const topic = this.#topics.get(name)
    if (topic !== undefined) return topic
    const meant = suggest(name, this.#topics.keys())
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `There is no topic "${name}".${meant === undefined ? '' : ` Did you mean "${meant}"?`}`)
  }

  /** Throws LOG_UNKNOWN_TOPIC. */
  partition({ topic, partition }: TopicPartition): Partition {
    const { partitions } = this.topic(topic)
    const found = partitions[partition]
    if (found !== undefined) return found
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `The topic "${topic}" has the partitions 0 to ${partitions.length - 1}, not ${partition}.`)
  }

  /** Calls back after topics or partitions came or went; the answer cancels. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  create(topics: readonly NewTopic[]): Promise<void> {
    return this.#serial.run(async () => {
      for (const { name } of topics) {
        if (this.#topics.has(name)) throw new SluiceError('LOG_TOPIC_EXISTS', `There is a topic "${name}" already. Nothing was created.`)
        await this.#cleanUp(name)
      }
      this.#checkRoom(topics.reduce((sum, topic) => sum + (topic.partitions ?? 1), 0))
      let { nextId } = this.#content
      const made = topics.map(({ name, partitions = 1, settings = {} }): Entry => ({ name, id: nextId++, state: 'creating', partitions, settings }))
      await this.#write({ nextId, topics: [...this.#content.topics, ...made] })
      const ready = made.map((entry): Entry => ({ ...entry, state: 'ready' }))
      try {
        await eachOf(made, LANES, entry => this.#openTopic(entry))
        await syncNames(this.#parts.files, this.#parts.folder)
        await this.#write(this.#with(ready))
      } catch (error) {
        for (const { name } of made) await this.#drop(name)
        for (const { name } of made) await this.#cleanUp(name).catch(() => undefined)
        throw error
      }
      this.#changed()
    })
  }

  /** Changes settings, and adds partitions. */
  alter(name: string, settings: TopicSettings, partitions: number | undefined): Promise<void> {
    return this.#serial.run(async () => {
      const topic = this.topic(name)
      await this.#cleanUp(name)
      const entry = this.#entry(name)
      const wanted = partitions ?? entry.partitions
      if (wanted < entry.partitions) throw new SluiceError('LOG_SETTING', `"${name}" has ${entry.partitions} partitions: there can be more, never fewer than that.`)
      this.#checkRoom(wanted - entry.partitions)
      const changed = changedSettings(entry.settings, settings)
      checkSettings(name, changed)
      const grown: Entry = { ...entry, settings: changed, partitions: wanted }
      if (wanted > entry.partitions) await this.#write(this.#with([{ ...entry, growing: wanted }]))
      const added = await this.#openPartitions(grown, entry.partitions)
      try {
        if (added.length > 0) await syncNames(this.#parts.files, this.#parts.folder)
        await this.#write(this.#with([grown]))
      } catch (error) {
        await Promise.allSettled(added.map(({ storage }) => storage.close()))
        throw error
      }
      for (const partition of topic.partitions) partition.configure(storageSettings(changed, this.#parts.durability))
      this.#topics.set(name, { ...topic, settings: changed, partitions: [...topic.partitions, ...added] })
      if (added.length > 0) this.#changed()
    })
  }

  delete(names: readonly string[]): Promise<void> {
    return this.#serial.run(async () => {
      for (const name of names) if (!this.#isDeleting(name)) this.topic(name)
      const doomed = this.#content.topics.filter(entry => names.includes(entry.name)).map((entry): Entry => ({ ...entry, state: 'deleting' }))
      await this.#write(this.#with(doomed))
      for (const { name } of doomed) for (const partition of this.#topics.get(name)?.partitions ?? []) partition.gone = true
      await Promise.all(doomed.map(({ name }) => this.#drop(name)))
      this.#changed()
      for (const { name } of doomed) await this.#cleanUp(name)
    })
  }

  /** Closes all partitions, after the change that is under way. */
  async close(): Promise<void> {
    await this.#serial.idle()
    await eachOf(this.#topics.values(), LANES, async ({ partitions }) => {
      await Promise.all(partitions.map(({ storage }) => storage.close()))
    })
  }

  #entry(name: string): Entry {
    const entry = this.#content.topics.find(entry => entry.name === name)
    if (entry === undefined) throw new SluiceError('INTERNAL', `The topic "${name}" is open and not noted.`)
    return entry
  }

  #isDeleting(name: string): boolean {
    return this.#content.topics.some(entry => entry.name === name && entry.state === 'deleting')
  }

  #with(changed: readonly Entry[]): Content {
    return { ...this.#content, topics: this.#content.topics.map(entry => changed.find(({ name }) => name === entry.name) ?? entry) }
  }

  #checkRoom(more: number): void {
    const now = this.#content.topics.reduce((sum, { partitions }) => sum + partitions, 0)
    if (now + more > PARTITIONS_MAX) {
      throw new SluiceError('LOG_SETTING', `The log has ${now} partitions; ${more} more would be above the limit of ${PARTITIONS_MAX}.`)
    }
  }

  async #write(content: Content): Promise<void> {
    await writeDurable(this.#parts.files, this.#path, content)
    this.#content = content
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #folderOf(name: string, partition: number): string {
    return join(this.#parts.folder, `${name}-${partition}`)
  }

  async #openTopic(entry: Entry): Promise<void> {
    const partitions = await this.#openPartitions(entry, 0)
    this.#topics.set(entry.name, { name: entry.name, id: entry.id, internal: isInternal(entry.name), settings: entry.settings, partitions })
  }

  async #openPartitions({ name, partitions, settings }: Entry, from: number): Promise<Partition[]> {
    const opened: Partition[] = []
    const all = storageSettings(settings, this.#parts.durability)
    try {
      await eachOf(Array.from({ length: partitions - from }, (_, index) => from + index), LANES, async partition => {
        const folder = this.#folderOf(name, partition)
        const storage = await this.#parts.folders.open(folder, all).catch((error: unknown) => {
          throw fileError(error, folder, 'written')
        })
        opened.push(new Partition(name, partition, storage, all))
      })
    } catch (error) {
      await Promise.allSettled(opened.map(({ storage }) => storage.close()))
      throw error
    }
    return opened.sort((a, b) => a.partition - b.partition)
  }

  /** Closes what is open of a topic. A partition that can't be closed well is given up all the same. */
  async #drop(name: string): Promise<void> {
    const { partitions } = this.#topics.get(name) ?? { partitions: [] }
    this.#topics.delete(name)
    await Promise.allSettled(partitions.map(({ storage }) => storage.close()))
  }

  /** Removes what is left of a creation, growth or deletion that did not end; the name is free, or the topic as it was, when this resolves. */
  async #cleanUp(name: string): Promise<void> {
    const entry = this.#content.topics.find(entry => entry.name === name)
    if (entry === undefined || (entry.state === 'ready' && entry.growing === undefined)) return
    const whole = entry.state !== 'ready'
    if (whole) await this.forget(name)
    const from = whole ? 0 : entry.partitions
    const until = Math.max(entry.partitions, entry.growing ?? 0)
    await eachOf(Array.from({ length: until - from }, (_, index) => this.#folderOf(name, from + index)), LANES, async folder => {
      await this.#parts.folders.remove(folder).catch((error: unknown) => {
        throw fileError(error, folder, 'written')
      })
    })
    await syncNames(this.#parts.files, this.#parts.folder)
    const topics = whole ? this.#content.topics.filter(other => other !== entry) : this.#with([{ ...entry, growing: undefined }]).topics
    await this.#write({ ...this.#content, topics })
  }
}
