/**
 * Notes of what was done to a log on simulated files: each call with the number of storage operations that were finished when it began and when it ended.
 *
 * For a power cut after operation `k` the notes answer what must be there (ended by then), what must not (not begun), and what may be.
 */
import { History } from '../../src/log/conformance/history.testing.ts'
import type { NotedTransaction } from '../../src/log/conformance/history.testing.ts'

/** A call, in counts of storage operations. */
export interface Span {
  /** Nothing of it can be in an earlier cut. */
  readonly began: number
  /** In every cut from here on; undefined while it runs. */
  ended?: number
  /** False when it failed for certain. */
  ok?: boolean
}

export interface SendNote extends Span {
  readonly producer: string
  readonly at: string
  readonly value: string
  readonly transaction: TransactionNote | undefined
  offset?: bigint
}

export interface TransactionNote extends Span {
  commitBegan?: number
}

export interface OffsetNote {
  readonly group: string
  readonly at: string
  readonly offset: bigint
  /** The commit of the transaction, or of the offset itself. */
  readonly span: () => Span | undefined
}

export interface TrimNote extends Span {
  readonly at: string
  readonly offset: bigint
}

/** A value that was set for a key of a compacted topic. */
export interface ValueNote extends Span {
  readonly key: string
  readonly value: string
}

export interface TopicNote extends Span {
  readonly name: string
  readonly there: boolean
}

export class Recording {
  readonly sends: SendNote[] = []
  readonly transactions: TransactionNote[] = []
  readonly offsets: OffsetNote[] = []
  readonly trims: TrimNote[] = []
  readonly topics: TopicNote[] = []
  readonly values: ValueNote[] = []
  readonly #now: () => number

  /** `now` counts the storage operations so far. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Notes a call from its beginning to its end. An error leaves it open: it may have happened. */
  async call<S extends object, T>(list: S[], note: S, work: () => Promise<T>, done?: (note: S & Span, result: T) => void): Promise<T> {
    const span: S & Span = Object.assign(note, { began: this.#now() })
    list.push(note)
    const result = await work()
    span.ended = this.#now()
    span.ok = true
    done?.(span, result)
    return result
  }

  now(): number {
    return this.#now()
  }

  /** What clients know if the power went after operation `cut`. Sends whose records were given up by then are left out. */
  history(cut: number, starts: ReadonlyMap<string, bigint> = new Map()): History {
    const history = new History()
    const transactions = new Map<TransactionNote, NotedTransaction>()
    for (const note of this.transactions) {
      const noted = history.begin()
      transactions.set(note, noted)
      if (note.commitBegan !== undefined && note.commitBegan < cut) {
        noted.committing()
        if (note.ended !== undefined && note.ended <= cut) noted.ok()
        else noted.unknown()
      } else if (note.ended !== undefined && note.ended <= cut) noted.failed()
    }
    for (const { producer, at, value, transaction, began, ended, ok, offset } of this.sends) {
      if (began >= cut || (offset !== undefined && offset < (starts.get(at) ?? 0n))) continue
      const noted = history.send(producer, at, value, transaction === undefined ? undefined : transactions.get(transaction))
      if (ended !== undefined && ended <= cut && ok === true) noted.ok(offset)
      else noted.unknown()
    }
    return history
  }

  /** Offsets that a group may have committed for a partition: undefined for none. */
  committed(cut: number, group: string, at: string): Set<bigint | undefined> {
    let possible = new Set<bigint | undefined>([undefined])
    for (const note of this.offsets) {
      if (note.group !== group || note.at !== at) continue
      const span = note.span()
      if (span === undefined || span.began >= cut) continue
      if (span.ended !== undefined && span.ended <= cut) possible = new Set([note.offset])
      else possible.add(note.offset)
    }
    return possible
  }

  /** Values that a key may have: undefined for none. */
  newest(cut: number, key: string): Set<string | undefined> {
    let possible = new Set<string | undefined>([undefined])
    for (const { key: of, value, began, ended } of this.values) {
      if (of !== key || began >= cut) continue
      if (ended !== undefined && ended <= cut) possible = new Set([value])
      else possible.add(value)
    }
    return possible
  }

  /** Least and greatest first offset of a partition. */
  start(cut: number, at: string): { least: bigint; most: bigint } {
    let least = 0n
    let most = 0n
    for (const { began, ended, at: where, offset } of this.trims) {
      if (where !== at || began >= cut) continue
      if (offset > most) most = offset
      if (ended !== undefined && ended <= cut && offset > least) least = offset
    }
    return { least, most }
  }

  /** Whether a topic is there: true, false, or undefined where both are possible. */
  topic(cut: number, name: string): boolean | undefined {
    let there: boolean | undefined = false
    for (const note of this.topics) {
      if (note.name !== name || note.began >= cut) continue
      const sure = note.ended !== undefined && note.ended <= cut
      there = sure || there === note.there ? note.there : undefined
    }
    return there
  }
}
