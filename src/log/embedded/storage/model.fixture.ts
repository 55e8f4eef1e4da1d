/**
 * A partition as nothing but lists: what its storage must answer, found by looking at everything each time.
 *
 * Compaction and retention are free in how much they take; the model says what must stay, what may stay, and what must not be there.
 */
import assert from 'node:assert/strict'
import { BatchWriter, records, sign } from '../../batch/index.ts'
import type { PartitionStorage } from './partition-port.ts'

export interface ModelRecord {
  readonly offset: bigint
  readonly key: string | null
  readonly value: string | null
  readonly time: number
  readonly transaction: ModelTransaction | undefined
}

export interface ModelTransaction {
  readonly id: bigint
  readonly first: bigint
  state: 'open' | 'committed' | 'aborted'
  last: bigint
}

export interface NewRecord {
  readonly key: string | null
  readonly value: string | null
}

interface ModelProducer {
  epoch: number
  next: number
  recent: { readonly sequence: number; readonly offset: bigint; readonly count: number }[]
}

export interface Signed {
  readonly id: bigint
  readonly epoch: number
  readonly sequence: number
  readonly transactional: boolean
}

export function batchOf(list: readonly NewRecord[], time: number, signed?: Signed): Uint8Array {
  const writer = new BatchWriter()
  for (const { key, value } of list) writer.add(key === null ? null : Buffer.from(key), value === null ? null : Buffer.from(value), undefined, time)
  const batch = writer.finish()
  if (signed !== undefined) sign(batch, { producerId: signed.id, epoch: signed.epoch, sequence: signed.sequence, transactional: signed.transactional })
  return batch
}

export class PartitionModel {
  readonly records: ModelRecord[] = []
  readonly transactions: ModelTransaction[] = []
  readonly producers = new Map<bigint, ModelProducer>()
  end = 0n
  start = 0n

  get open(): ModelTransaction[] {
    return this.transactions.filter(({ state }) => state === 'open')
  }

  get stable(): bigint {
    return this.open.reduce((least, { first }) => (first < least ? first : least), this.end)
  }

  /** What is known of a producer; the beginning where nothing is. */
  producer(id: bigint): Readonly<ModelProducer> {
    return this.producers.get(id) ?? { epoch: 0, next: 0, recent: [] }
  }

  #kept(id: bigint, epoch: number): ModelProducer {
    const before = this.producers.get(id)
    const known = before === undefined || epoch > before.epoch ? { epoch, next: 0, recent: [] } : before
    this.producers.set(id, known)
    return known
  }

  /** What the storage must answer to a batch, and what becomes of the model with it. */
  append(list: readonly NewRecord[], time: number, signed?: Signed): { readonly offset: bigint; readonly duplicate: boolean } | 'LOG_FENCED' | 'LOG_SEQUENCE' {
    const known = signed === undefined ? undefined : this.producers.get(signed.id)
    if (signed !== undefined && known !== undefined) {
      if (signed.epoch < known.epoch) return 'LOG_FENCED'
      const before = signed.epoch === known.epoch ? known.recent.find(({ sequence }) => sequence === signed.sequence) : undefined
      if (before !== undefined) return { offset: before.offset, duplicate: true }
      if (signed.sequence !== (signed.epoch > known.epoch ? 0 : known.next)) return 'LOG_SEQUENCE'
    }
    const offset = this.end
    if (signed !== undefined) this.#note(signed, offset, list.length)
    const transaction = signed?.transactional === true ? this.#transaction(signed.id, offset) : undefined
    list.forEach(({ key, value }, at) => this.records.push({ offset: offset + BigInt(at), key, value, time, transaction }))
    this.end += BigInt(list.length)
    return { offset, duplicate: false }
  }

  #note({ id, epoch, sequence }: Signed, offset: bigint, count: number): void {
    const known = this.#kept(id, epoch)
    known.next = sequence + count
    known.recent = [...known.recent, { sequence, offset, count }].slice(-5)
  }

  #transaction(id: bigint, first: bigint): ModelTransaction {
    const open = this.open.find(transaction => transaction.id === id)
    if (open !== undefined) return open
    const fresh: ModelTransaction = { id, first, state: 'open', last: first }
    this.transactions.push(fresh)
    return fresh
  }

  /** A marker takes one offset, whatever it ends. */
  marker(id: bigint, epoch: number, commit: boolean): { readonly offset: bigint; readonly duplicate: boolean } | 'LOG_FENCED' {
    const known = this.producers.get(id)
    if (known !== undefined && epoch < known.epoch) return 'LOG_FENCED'
    this.#kept(id, epoch)
    const open = this.open.find(transaction => transaction.id === id)
    if (open !== undefined) Object.assign(open, { state: commit ? 'committed' : 'aborted', last: this.end })
    return { offset: this.end++, duplicate: false }
  }

  /** First record that is kept, at or after a time. */
  offsetAt(time: number): bigint | undefined {
    return this.records.find(record => record.time >= time && record.offset >= this.start)?.offset
  }
}

export interface Seen {
  readonly offset: bigint
  readonly key: string | null
  readonly value: string | null
}

const textOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

/** All records from an offset on, read in pieces, with the aborted transactions that came with them. */
export async function readFrom(storage: PartitionStorage, from: bigint, until: bigint, maxBytes: number): Promise<{ readonly seen: Seen[]; readonly aborted: Set<string> }> {
  const seen: Seen[] = []
  const aborted = new Set<string>()
  for (let next = from; next < until;) {
    const read = await storage.read(next, maxBytes, until)
    for (const { producerId, first, last } of read.aborted) aborted.add(`${producerId} ${first} ${last}`)
    for (const { offset, key, value } of records(read.bytes)) if (offset >= next) seen.push({ offset, key: textOf(key), value: textOf(value) })
    assert.ok(read.next > next, `reading stands still at ${next} of ${until}`)
    assert.ok(read.next <= until, `reading went on to ${read.next}, and ${until} was the end`)
    next = read.next
  }
  return { seen, aborted }
}
