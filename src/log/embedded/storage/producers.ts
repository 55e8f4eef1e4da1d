/**
 * What a partition knows of producers and transactions: the last five batches of each producer, the transactions without a marker, and those that were aborted.
 *
 * It follows from the batches alone: replaying them in order gives it again. Changes of one group of batches can be taken back until they are kept.
 */
import { SluiceError } from '../../../base/index.ts'
import {
  baseOffsetOf, baseSequenceOf, decodeControlBatch, isControl, isTransactional, lastOffsetDeltaOf, maxTimestampOf, producerEpochOf, producerIdOf, sequenceAfter,
} from '../../batch/index.ts'
import type { AbortedTransaction, OpenTransaction } from './partition-port.ts'

interface Recent {
  readonly sequence: number
  readonly offset: bigint
}

/** Replaced, never changed, so that taking back is putting back. */
interface ProducerState {
  readonly epoch: number
  /** Sequence that comes next. */
  readonly next: number
  readonly recent: readonly Recent[]
  /** Milliseconds since 1970 of its last batch. */
  readonly time: number
}

interface State {
  readonly producers: Map<bigint, ProducerState>
  transactions: readonly OpenTransaction[]
  aborted: readonly AbortedTransaction[]
}

/** As JSON, for the snapshot. */
export interface ProducersRecord {
  readonly producers: readonly { readonly id: string; readonly epoch: number; readonly next: number; readonly time: number; readonly recent: readonly (readonly [number, string])[] }[]
  readonly transactions: readonly { readonly id: string; readonly epoch: number; readonly first: string }[]
  readonly aborted: readonly { readonly id: string; readonly first: string; readonly last: string }[]
}

const RECENT = 5
/** Producers that were not heard of for so long are forgotten: seven days. */
const FORGET_AFTER = 7 * 24 * 3_600_000

export class Producers {
  readonly #state: State = { producers: new Map(), transactions: [], aborted: [] }
  /** What to put back: the producers that were changed, and the lists as they were. */
  #undo: { readonly producers: Map<bigint, ProducerState | undefined>; readonly transactions: readonly OpenTransaction[]; readonly aborted: readonly AbortedTransaction[] } | undefined

  get transactions(): readonly OpenTransaction[] {
    return this.#state.transactions
  }

  get aborted(): readonly AbortedTransaction[] {
    return this.#state.aborted
  }

  /** What follows can be taken back. */
  begin(): void {
    const { transactions, aborted } = this.#state
    this.#undo = { producers: new Map(), transactions, aborted }
  }

  keep(): void {
    this.#undo = undefined
  }

  takeBack(): void {
    const undo = this.#undo
    if (undo === undefined) return
    for (const [id, state] of undo.producers) {
      if (state === undefined) this.#state.producers.delete(id)
      else this.#state.producers.set(id, state)
    }
    this.#state.transactions = undo.transactions
    this.#state.aborted = undo.aborted
    this.#undo = undefined
  }

  /** The offset that the batch got before, undefined for a new one. Throws LOG_FENCED or LOG_SEQUENCE where it may not come. */
  seenBefore(batch: Uint8Array): bigint | undefined {
    const id = producerIdOf(batch)
    const state = id < 0n ? undefined : this.#state.producers.get(id)
    if (state === undefined) return undefined
    const epoch = producerEpochOf(batch)
    if (epoch < state.epoch) throw new SluiceError('LOG_FENCED', `The producer ${id} writes with epoch ${epoch}; ${state.epoch} has taken over.`)
    if (isControl(batch)) return undefined
    const sequence = baseSequenceOf(batch)
    const before = epoch === state.epoch ? state.recent.find(recent => recent.sequence === sequence) : undefined
    if (before !== undefined) return before.offset
    const next = epoch > state.epoch ? 0 : state.next
    if (sequence !== next) throw new SluiceError('LOG_SEQUENCE', `The producer ${id} sends the sequence ${sequence}; ${next} comes next.`)
    return undefined
  }

  /** Takes note of a batch that has its offset. */
  note(batch: Uint8Array): void {
    const id = producerIdOf(batch)
    if (id < 0n) return
    const epoch = producerEpochOf(batch)
    const before = this.#state.producers.get(id)
    const known = before === undefined || before.epoch < epoch ? { epoch, next: 0, recent: [], time: 0 } : before
    const time = Math.max(known.time, maxTimestampOf(batch))
    if (isControl(batch)) {
      this.#set(id, { ...known, time })
      return this.#finish(id, batch)
    }
    const sequence = baseSequenceOf(batch)
    const offset = baseOffsetOf(batch)
    const recent = [...known.recent, { sequence, offset }].slice(-RECENT)
    this.#set(id, { epoch: known.epoch, next: sequenceAfter(sequence, lastOffsetDeltaOf(batch) + 1), recent, time })
    if (!isTransactional(batch)) return
    const open = this.#state.transactions.find(transaction => transaction.producerId === id)
    if (open !== undefined && open.epoch >= epoch) return
    // Each end of a transaction raises the epoch: records of a later one say that a marker was damaged. What it said is unknown, so its records are not served.
    if (open !== undefined) this.#abort(open, offset)
    this.#state.transactions = [...this.#state.transactions, { producerId: id, epoch, first: offset }]
  }

  #abort(open: OpenTransaction, last: bigint): void {
    this.#state.transactions = this.#state.transactions.filter(transaction => transaction !== open)
    this.#state.aborted = [...this.#state.aborted, { producerId: open.producerId, first: open.first, last }]
  }

  #set(id: bigint, state: ProducerState): void {
    const undo = this.#undo?.producers
    if (undo !== undefined && !undo.has(id)) undo.set(id, this.#state.producers.get(id))
    this.#state.producers.set(id, state)
  }

  #finish(id: bigint, marker: Uint8Array): void {
    const open = this.#state.transactions.find(transaction => transaction.producerId === id)
    if (open === undefined) return
    if (decodeControlBatch(marker)?.commit !== true) return this.#abort(open, baseOffsetOf(marker))
    this.#state.transactions = this.#state.transactions.filter(transaction => transaction !== open)
  }

  /** Forgets aborted transactions below the first offset that is kept, and producers that have long been silent. */
  forget(start: bigint, now: number): void {
    this.#state.aborted = this.#state.aborted.filter(({ last }) => last >= start)
    for (const [id, { time }] of this.#state.producers) {
      const isOpen = this.#state.transactions.some(({ producerId }) => producerId === id)
      if (!isOpen && time > 0 && time < now - FORGET_AFTER) this.#state.producers.delete(id)
    }
  }

  record(): ProducersRecord {
    return recordOf(this.#state)
  }

  /** The same without what can still be taken back. */
  recordBefore(): ProducersRecord {
    const undo = this.#undo
    if (undo === undefined) return this.record()
    const producers = new Map(this.#state.producers)
    for (const [id, state] of undo.producers) {
      if (state === undefined) producers.delete(id)
      else producers.set(id, state)
    }
    return recordOf({ producers, transactions: undo.transactions, aborted: undo.aborted })
  }

  restore({ producers, transactions, aborted }: ProducersRecord): void {
    for (const { id, epoch, next, time, recent } of producers) {
      this.#state.producers.set(BigInt(id), { epoch, next, time, recent: recent.map(([sequence, offset]) => ({ sequence, offset: BigInt(offset) })) })
    }
    this.#state.transactions = transactions.map(({ id, epoch, first }) => ({ producerId: BigInt(id), epoch, first: BigInt(first) }))
    this.#state.aborted = aborted.map(({ id, first, last }) => ({ producerId: BigInt(id), first: BigInt(first), last: BigInt(last) }))
  }
}

function recordOf({ producers, transactions, aborted }: State): ProducersRecord {
  return {
    producers: [...producers].map(([id, { epoch, next, time, recent }]) => (
      { id: String(id), epoch, next, time, recent: recent.map(({ sequence, offset }) => [sequence, String(offset)] as const) })),
    transactions: transactions.map(({ producerId, epoch, first }) => ({ id: String(producerId), epoch, first: String(first) })),
    aborted: aborted.map(({ producerId, first, last }) => ({ id: String(producerId), first: String(first), last: String(last) })),
  }
}
