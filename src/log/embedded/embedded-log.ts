/**
 * The log in a folder, of one process.
 *
 *     open: version looked at -> folder locked -> topics -> partitions -> committed offsets -> transactions that a crash left open are ended
 *     close: producers (acks) -> members -> transactions -> cleaning -> partitions (clean marks) -> lock
 *
 * What was acknowledged before a crash is there afterwards, as far as the durability of the topic says.
 */
import { join } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import type { Clock, Files, FolderLock } from '../../platform/index.ts'
import { CODECS } from '../batch/index.ts'
import type { Call, Consumer, ConsumerOptions, Durability, GroupConsumer, GroupOptions, Log, LogFeatures, Producer, ProducerOptions } from '../log.ts'
import { EmbeddedAdmin } from './admin.ts'
import { within } from './calls.ts'
import { Catalog } from './catalog.ts'
import { Cleaner } from './cleaner.ts'
import { EmbeddedConsumer } from './consumer.ts'
import { fileError, readDurable, syncUpwards } from './durable-file.ts'
import { EmbeddedGroupConsumer } from './group-consumer.ts'
import { Groups } from './groups.ts'
import { lockLog } from './log-lock.ts'
import { OffsetStore } from './offset-store.ts'
import type { PartitionFolders } from './partition-folders.ts'
import type { EmbeddedParts } from './parts.ts'
import { EmbeddedProducer } from './producer.ts'
import { ProducerIds } from './producer-ids.ts'
import { checkDurability, durabilityText } from './topic-settings.ts'
import { Transactions } from './transactions.ts'

/** All that an embedded log stands on. */
export interface Ground {
  readonly folder: string
  readonly files: Files
  readonly folders: PartitionFolders
  readonly clock: Clock
  readonly random: () => number
  readonly durability: Durability
  readonly cleanEvery: number
  readonly warn: (message: string) => void
}

interface Closable {
  close(call?: Call): Promise<void>
}

export class EmbeddedLog implements Log {
  readonly features: LogFeatures = {
    name: 'embedded', transactions: true, groups: true, compaction: true, durability: ['fsync', 'interval', 'os'], codecs: CODECS, deleteRecords: true,
  }
  readonly admin: EmbeddedAdmin
  readonly #ground: Ground
  /** For tests, and for what serves the log to others. */
  readonly parts: EmbeddedParts
  readonly #lock: FolderLock
  readonly #cleaner: Cleaner
  readonly #producers = new Set<Closable>()
  readonly #consumers = new Set<Closable>()
  #closing: Promise<void> | undefined

  private constructor(ground: Ground, parts: EmbeddedParts, lock: FolderLock) {
    this.#ground = ground
    this.parts = parts
    this.#lock = lock
    this.admin = new EmbeddedAdmin(parts, () => this.#checkOpen())
    const { catalog, transactions } = parts
    this.#cleaner = new Cleaner({ catalog, clock: ground.clock, every: ground.cleanEvery, warn: ground.warn, also: () => transactions.forgetOld() })
  }

  static async open(ground: Ground): Promise<EmbeddedLog> {
    const { folder, files, durability } = ground
    checkDurability(durability, folder)
    // A log of a later version is left as it is, lock included.
    const isNew = (await readDurable(files, join(folder, 'meta', 'topics'))) === undefined
    try {
      await files.makeFolder(join(folder, 'meta'))
      if (isNew) await syncUpwards(files, folder)
    } catch (error) {
      throw fileError(error, folder, 'written')
    }
    const lock = await lockLog(folder, files)
    try {
      return new EmbeddedLog(ground, await openParts(ground), lock)
    } catch (error) {
      await ground.folders.close?.()
      await lock.release()
      throw error
    }
  }

  describe(): string {
    return `embedded log in ${this.#ground.folder}: records are ${durabilityText(this.#ground.durability)}`
  }

  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen()
    const producer = new EmbeddedProducer(this.parts, options, closed => this.#producers.delete(closed))
    this.#producers.add(producer)
    return producer
  }

  consumer(options: ConsumerOptions = {}): Consumer {
    this.#checkOpen()
    const consumer = new EmbeddedConsumer(this.parts, options, closed => this.#consumers.delete(closed))
    this.#consumers.add(consumer)
    return consumer
  }

  group(options: GroupOptions): GroupConsumer {
    this.#checkOpen()
    const consumer = new EmbeddedGroupConsumer(this.parts, options, closed => this.#consumers.delete(closed))
    this.#consumers.add(consumer)
    return consumer
  }

  /** Applies retention and compaction now. */
  clean(): Promise<void> {
    this.#checkOpen()
    return this.#cleaner.clean()
  }

  /** A call that is given up leaves the closing under way. */
  async close(call?: Call): Promise<void> {
    this.#closing ??= this.#close(call)
    const closing = this.#closing
    await within(this.#ground.clock, call, 'The closing of the log', () => closing)
  }

  async #close(call: Call | undefined): Promise<void> {
    // Members first: what they do when they give partitions back may need a producer.
    await this.#end('consumer', this.#consumers, call)
    await this.#end('producer', this.#producers, call)
    this.parts.groups.close()
    await this.parts.transactions.close()
    await this.#cleaner.close()
    try {
      await this.parts.catalog.close()
      await this.#ground.folders.close?.()
    } finally {
      await this.#lock.release()
    }
  }

  async #end(name: string, all: Iterable<Closable>, call: Call | undefined): Promise<void> {
    for (const result of await Promise.allSettled([...all].map(async each => each.close(call)))) {
      if (result.status === 'rejected') this.#ground.warn(`A ${name} did not close well: ${String(result.reason)}`)
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new SluiceError('LOG_CLOSED', `The log in ${this.#ground.folder} is closed.`)
  }
}

async function openParts({ folder, files, folders, clock, random, durability, warn }: Ground): Promise<EmbeddedParts> {
  const catalog = await Catalog.open({ folder, files, folders, durability, warn })
  try {
    const offsets = await OffsetStore.open(catalog, clock)
    catalog.forget = topic => offsets.forgetTopic(topic)
    await catalog.finishLeftovers()
    const ids = new ProducerIds(files, folder)
    const transactions = await Transactions.open({ catalog, clock, ids, offsets, warn })
    return { clock, random, catalog, ids, offsets, transactions, groups: new Groups({ catalog, clock, offsets, warn }), warn }
  } catch (error) {
    await catalog.close()
    throw error
  }
}
