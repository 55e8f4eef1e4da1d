/**
 * Work for a log, the same for one seed: idempotent and plain producers, transactions that are committed or aborted with offsets in them, a group that commits,
 * topics that come and go, records that are given up. Segments are small, so that they are closed often. Everything is noted.
 */
import { seededRandom } from '../../src/platform/index.ts'
import { bytes } from '../../src/log/conformance/trial.testing.ts'
import type { EmbeddedLog } from '../../src/log/embedded/index.ts'
import type { Producer } from '../../src/log/index.ts'
import type { Recording, Span, TransactionNote } from './record.ts'

export const PLAIN = 'plain'
export const MOVED = 'moved'
export const TRIMMED = 'trimmed'
/** Compacted: the newest value of each key counts. */
export const TABLE = 'table'
export const KEYS = ['a', 'b', 'c', 'd', 'e'] as const
export const GROUP = 'group'
/** Partitions of the topics that the work writes. */
export const PARTITIONS: readonly (readonly [string, number])[] = [[PLAIN, 0], [PLAIN, 1], [MOVED, 0], [MOVED, 1], [TRIMMED, 0]]

export interface Load {
  readonly log: EmbeddedLog
  readonly recording: Recording
  readonly seed: number
  /** Tells this life of the log from others. */
  readonly life: string
}

export class Workload {
  readonly #load: Load
  readonly #random: () => number
  readonly #counts = new Map<string, number>()
  #moved = 0n

  constructor(load: Load) {
    this.#load = load
    this.#random = seededRandom(load.seed, 0x10ad)
  }

  async createTopics(): Promise<void> {
    const { log } = this.#load
    const settings = { segmentBytes: 4096, retentionMs: -1 }
    const topics = [{ name: PLAIN, partitions: 2, settings }, { name: MOVED, partitions: 2, settings }, { name: TRIMMED, settings }, { name: TABLE, settings: { segmentBytes: 2048, cleanup: 'compact' as const, retentionMs: -1 } }]
    await log.admin.createTopics(topics)
  }

  /** Rounds of work until `enough`; each round does several things at once. */
  async run(enough: () => boolean): Promise<void> {
    const { log, life } = this.#load
    const idempotent = log.producer({ batchBytes: 2000 })
    const plain = log.producer({ idempotent: false, compression: 'lz4' })
    for (let round = 0; !enough(); round++) {
      const work = [
        this.#burst(idempotent, `${life}i`, PLAIN, 2),
        this.#burst(plain, `${life}p`, PLAIN, 2),
        this.#transaction(round),
        this.#burst(idempotent, `${life}t`, TRIMMED, 1),
        this.#set(idempotent),
      ]
      if (round % 4 === 3) work.push(log.clean())
      if (round % 3 === 0) work.push(this.#trim())
      if (round % 5 === 0) work.push(this.#comeAndGo(`extra-${life}-${round}`))
      if (round % 2 === 0) work.push(this.#commit(BigInt(round)))
      await Promise.all(work)
    }
    await Promise.all([idempotent.close(), plain.close()])
  }

  #value(producer: string): string {
    const count = (this.#counts.get(producer) ?? 0) + 1
    this.#counts.set(producer, count)
    return `${producer}-${count}-`.padEnd(20 + Math.floor(this.#random() ** 3 * 1500), 'x')
  }

  async #send(producer: Producer, name: string, topic: string, partition: number, transaction?: TransactionNote): Promise<void> {
    const at = `${topic}/${partition}`
    const value = this.#value(name)
    const { recording } = this.#load
    await recording.call(recording.sends, { producer: name, at, value, transaction, began: 0 },
      () => producer.send({ topic, partition, value: bytes(value), timestamp: 1_750_000_000_000 }), (note, { offset }) => { note.offset = offset })
  }

  /** One key at a time, so that it is known which of its values is the newest. */
  async #set(producer: Producer): Promise<void> {
    const { recording, life } = this.#load
    const first = Math.floor(this.#random() * KEYS.length)
    await Promise.all([0, 1].map(async index => {
      const key = KEYS[(first + index) % KEYS.length] ?? 'a'
      const value = this.#value(`${life}${key}`)
      await recording.call(recording.values, { key, value, began: 0 }, () => producer.send({ topic: TABLE, partition: 0, key: bytes(key), value: bytes(value), timestamp: 1_750_000_000_000 }))
    }))
  }

  async #burst(producer: Producer, name: string, topic: string, partitions: number): Promise<void> {
    const count = 1 + Math.floor(this.#random() * 6)
    await Promise.all(Array.from({ length: count }, () => this.#send(producer, name, topic, Math.floor(this.#random() * partitions))))
  }

  async #transaction(round: number): Promise<void> {
    const { log, recording, life } = this.#load
    // Two names take turns; each use is by a new producer now and then.
    const name = `mover-${round % 2}`
    const producer = this.#movers.get(name) ?? log.producer({ transactionalId: name })
    this.#movers.set(name, producer)
    const note: TransactionNote = { began: recording.now() }
    recording.transactions.push(note)
    await producer.begin()
    const count = 1 + Math.floor(this.#random() * 5)
    await Promise.all(Array.from({ length: count }, (_, index) => this.#send(producer, `${life}m${name}`, MOVED, index % 2, note)))
    const offset = ++this.#moved
    const span = (): Span | undefined => (note.commitBegan === undefined ? undefined : { ...note, began: note.commitBegan })
    for (const partition of [0, 1]) recording.offsets.push({ group: GROUP, at: `${PLAIN}/${partition}`, offset, span })
    await producer.sendOffsets({ group: GROUP }, [0, 1].map(partition => ({ topic: PLAIN, partition, offset })))
    if (this.#random() < 0.75) {
      note.commitBegan = recording.now()
      await producer.commit()
    } else await producer.abort()
    note.ended = recording.now()
    if (this.#random() < 0.2) {
      await producer.close()
      this.#movers.delete(name)
    }
  }

  readonly #movers = new Map<string, Producer>()

  async #trim(): Promise<void> {
    const { log, recording } = this.#load
    const at = { topic: TRIMMED, partition: 0 }
    const [latest] = await log.admin.offsets([{ ...at, start: 'latest' }])
    const offset = (latest?.offset ?? 0n) / 2n
    await recording.call(recording.trims, { at: `${TRIMMED}/0`, offset, began: 0 }, () => log.admin.deleteRecords([{ ...at, offset }]))
  }

  async #comeAndGo(name: string): Promise<void> {
    const { log, recording } = this.#load
    await recording.call(recording.topics, { name, there: true, began: 0 }, () => log.admin.createTopics([{ name }]))
    if (this.#random() < 0.8) await recording.call(recording.topics, { name, there: false, began: 0 }, () => log.admin.deleteTopics([name]))
  }

  async #commit(offset: bigint): Promise<void> {
    const { log, recording } = this.#load
    const note: Span = { began: recording.now() }
    recording.offsets.push({ group: 'other', at: `${PLAIN}/0`, offset, span: () => note })
    await log.admin.resetOffsets('other', [{ topic: PLAIN, partition: 0, offset }])
    note.ended = recording.now()
  }
}
