/**
 * Exactly once on a log: what the sinks of a pipeline write, the offsets that its sources consumed and the pipeline's cut (positions, memory of stages) are one
 * transaction.
 *
 * Cuts are records of the topic `sluice-state-<pipeline>`, which has one partition and keeps everything until a full cut replaces it. A cut that is longer than
 * a record may be is several records. Key: `<number of the cut> <part> <parts> <full or changes>`.
 *
 * A transaction begins with the first write after a commit, so that a pipeline which has nothing to do has none open.
 */
import { SluiceError } from '../../base/index.ts'
import type { Committer, ComponentContext } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { recordsOf } from '../../log/index.ts'
import type { Log, OffsetToCommit, Producer } from '../../log/index.ts'
import { failpoint } from '../../platform/index.ts'
import { GOODBYE, TRANSACTION_TIMEOUT, patienceOf, useLog, whileAway, whileFull } from './open-logs.ts'
import type { LogUse } from './open-logs.ts'

const PART_BYTES = 512 * 1024
/** Milliseconds between two attempts to commit on a full disk. */
const FULL_PAUSE = 250

type Context = Pick<ComponentContext, 'warn' | 'sleep' | 'trouble'>

export interface ConsumedOffsets {
  readonly group: string
  readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[]
}

interface CutPart {
  readonly number: number
  readonly part: number
  readonly count: number
  readonly kind: string
}

function partOf(key: Uint8Array | null): CutPart {
  const [number, part, count, kind] = Buffer.from(key ?? []).toString().split(' ')
  return { number: Number(number), part: Number(part), count: Number(count), kind: kind ?? '' }
}

export class LogCommitter implements Committer {
  readonly place: string
  readonly #pipeline: string
  readonly #topic: string
  readonly #context: Context
  #use: LogUse | undefined
  #producer: Producer | undefined
  #begun: Promise<void> | undefined
  #number = 0

  constructor(place: string, pipeline: string, context: Context) {
    this.place = place
    this.#pipeline = pipeline
    this.#topic = `sluice-state-${pipeline.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`
    this.#context = context
  }

  async open(): Promise<readonly Uint8Array[]> {
    this.#use = await useLog(this.place, message => this.#context.warn(message))
    try {
      const { log } = this.#use
      if (!log.features.transactions) throw new SluiceError('LOG_UNSUPPORTED', `${this.place} has no transactions; set "delivery: at_least_once".`)
      if (!(await log.admin.listTopics()).includes(this.#topic)) {
        await log.admin.createTopics([{ name: this.#topic, partitions: 1, settings: { retentionMs: -1, retentionBytes: -1 } }])
      }
      this.#producer = log.producer({ transactionalId: `sluice-${this.#pipeline}`, transactionTimeout: TRANSACTION_TIMEOUT, deliveryTimeout: patienceOf(this.place), whileFull: whileFull(this.#context), whileAway: whileAway(this.#context) })
      // Beginning shuts out an older run and ends its transaction; there is nothing to write yet.
      await this.#producer.begin()
      await this.#producer.abort()
      return await this.#read(log)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async #read(log: Log): Promise<readonly Uint8Array[]> {
    const consumer = log.consumer({ isolation: 'read_committed', maxBytes: 8 << 20 })
    const at = { topic: this.#topic, partition: 0 }
    const cuts: Uint8Array[] = []
    let parts: Uint8Array[] = []
    try {
      await consumer.assign([{ ...at, start: 'earliest' }])
      const [end] = await log.admin.offsets([{ ...at, start: 'latest' }])
      while ((consumer.position(at) ?? 0n) < (end?.offset ?? 0n)) {
        for (const { bytes, from } of await consumer.fetch()) {
          for (const { offset, key, value } of recordsOf(bytes)) {
            if (offset < from) continue
            const { number, part, count, kind } = partOf(key)
            if (part === 0) parts = []
            parts.push(Uint8Array.from(value ?? []))
            if (parts.length < count) continue
            if (kind === 'full') cuts.length = 0
            cuts.push(new Uint8Array(Buffer.concat(parts)))
            this.#number = number
          }
        }
      }
      return cuts
    } finally {
      await consumer.close()
    }
  }

  /** The producer, in a transaction. */
  async transaction(): Promise<Producer> {
    const producer = this.#producer
    if (producer === undefined) throw new SluiceError('LOG_CLOSED', `The transactions of "${this.#pipeline}" are not open.`)
    this.#begun ??= producer.begin({ timeout: patienceOf(this.place) })
    await this.#begun
    return producer
  }

  async commit(cut: Uint8Array, full: boolean, consumed: readonly JsonValue[]): Promise<void> {
    const producer = await this.transaction()
    failpoint('commit.begin')
    this.#number++
    const count = Math.max(1, Math.ceil(cut.length / PART_BYTES))
    const sent = Array.from({ length: count }, (_, part) => producer.send({
      topic: this.#topic,
      partition: 0,
      key: Buffer.from(`${this.#number} ${part} ${count} ${full ? 'full' : 'changes'}`),
      value: cut.subarray(part * PART_BYTES, (part + 1) * PART_BYTES),
    }, { timeout: patienceOf(this.place) }))
    const [first] = await Promise.all(sent)
    failpoint('commit.cut-sent')
    for (const one of consumed as unknown as readonly ConsumedOffsets[]) { // Told by our own source.
      const offsets: OffsetToCommit[] = one.offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: BigInt(offset) }))
      if (offsets.length > 0) await producer.sendOffsets({ group: one.group }, offsets, { timeout: patienceOf(this.place) })
    }
    failpoint('commit.offsets-sent')
    await this.#end(producer)
    failpoint('commit.done')
    this.#begun = undefined
    if (full && first !== undefined) await this.#giveUpBefore(first.offset)
  }

  /** A commit that finds no room has decided nothing yet: it is asked for again until there is some, or the transaction has become too old. */
  async #end(producer: Producer): Promise<void> {
    const tell = whileFull(this.#context)
    for (let isFirst = true; ; isFirst = false) {
      try {
        await producer.commit({ timeout: patienceOf(this.place) })
        if (!isFirst) tell(undefined)
        return
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'LOG_DISK_FULL' || !error.retry) throw error
        tell(error)
        await this.#context.sleep(FULL_PAUSE)
      }
    }
  }

  /** Cuts before a full one are not needed any more; keeping them costs nothing but room. */
  async #giveUpBefore(offset: bigint): Promise<void> {
    const log = this.#use?.log
    if (log?.features.deleteRecords !== true) return
    await log.admin.deleteRecords([{ topic: this.#topic, partition: 0, offset }]).catch((error: unknown) => {
      this.#context.warn(`Old checkpoints in "${this.#topic}" could not be given up: ${error instanceof Error ? error.message : String(error)}`)
    })
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    // What was not committed was never there; a commit under way is waited for, but not for long.
    if (this.#begun !== undefined) await producer?.abort({ timeout: GOODBYE }).catch(() => undefined)
    await producer?.close({ timeout: GOODBYE }).catch(() => undefined)
    await this.#use?.release()
    this.#use = undefined
  }
}
