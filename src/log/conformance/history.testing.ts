/**
 * Judges what clients of a log saw.
 *
 * Every value that is sent is unique. Clients note each call when it begins and when it ends: `ok` it happened, `failed` it did not, `unknown` it may have (a crash
 * or a deadline came between). They note each record that they read. At the end, after recovery, everything is read once more from the start: `final`.
 *
 *     lost                 acknowledged, below the last offset of the final read, and not there
 *     unseen               acknowledged, behind the last offset of the final read
 *     duplicate            one value at two places
 *     inconsistent-offset  one offset held two values, in two reads, or in an acknowledgement and a read
 *     phantom              a value that nobody sent
 *     aborted-read         a value of a send that failed or of a transaction that was aborted
 *     precommitted-read    a value of a transaction that was read before its commit was called
 *     torn-transaction     part of a transaction is there, part is not
 *     poll-skip            a reader passed over a record that is there
 *     nonmonotonic-poll    a reader went back by itself
 *     nonmonotonic-send    a producer's record lies before the one that it sent before
 *
 * After the checker of Jepsen's tests of Kafka. Cost: a few maps over all that was noted.
 */

export type Anomaly =
  | 'lost' | 'unseen' | 'duplicate' | 'inconsistent-offset' | 'phantom' | 'aborted-read' | 'precommitted-read' | 'torn-transaction' | 'poll-skip' | 'nonmonotonic-poll'
  | 'nonmonotonic-send'

export interface Finding {
  readonly kind: Anomaly
  readonly message: string
}

type Outcome = 'open' | 'ok' | 'failed' | 'unknown'

/** A send or a transaction that was begun. */
export class Noted {
  outcome: Outcome = 'open'
  offset: bigint | undefined
  readonly #history: History
  /** When it ended, counted in notes. */
  endedAt: number | undefined

  constructor(history: History) {
    this.#history = history
  }

  ok(offset?: bigint): void {
    this.#end('ok')
    this.offset = offset
  }

  /** It certainly did not happen. */
  failed(): void {
    this.#end('failed')
  }

  unknown(): void {
    this.#end('unknown')
  }

  #end(outcome: Outcome): void {
    this.outcome = outcome
    this.endedAt = this.#history.tick()
  }
}

export class NotedSend extends Noted {
  readonly producer: string
  readonly at: string
  readonly value: string
  readonly transaction: NotedTransaction | undefined

  constructor(history: History, producer: string, at: string, value: string, transaction: NotedTransaction | undefined) {
    super(history)
    this.producer = producer
    this.at = at
    this.value = value
    this.transaction = transaction
  }

  /** What is known in the end: did it happen, did it not, or may it have? */
  get fate(): 'is' | 'is not' | 'may be' {
    if (this.outcome === 'failed') return 'is not'
    const transaction = this.transaction?.outcome ?? 'ok'
    // A transaction that was never ended, or whose commit was never called, is aborted sooner or later.
    if (transaction === 'failed' || (this.transaction !== undefined && this.transaction.commitAt === undefined)) return 'is not'
    return this.outcome === 'ok' && transaction === 'ok' ? 'is' : 'may be'
  }
}

/** `ok` means committed, `failed` aborted. */
export class NotedTransaction extends Noted {
  commitAt: number | undefined
  readonly #notes: History

  constructor(history: History) {
    super(history)
    this.#notes = history
  }

  /** The commit is called now. */
  committing(): void {
    this.commitAt = this.#notes.tick()
  }
}

interface Poll {
  readonly reader: string
  readonly at: string
  readonly offset: bigint
  readonly value: string
  readonly when: number
}

export class History {
  readonly sends: NotedSend[] = []
  readonly transactions: NotedTransaction[] = []
  readonly polls: Poll[] = []
  readonly finals = new Map<string, { offset: bigint; value: string }[]>()
  #ticks = 0

  tick(): number {
    return ++this.#ticks
  }

  send(producer: string, at: string, value: string, transaction?: NotedTransaction): NotedSend {
    const send = new NotedSend(this, producer, at, value, transaction)
    this.tick()
    this.sends.push(send)
    return send
  }

  begin(): NotedTransaction {
    const transaction = new NotedTransaction(this)
    this.transactions.push(transaction)
    return transaction
  }

  /** A record was read. `reader` names one continuous reading: a new name after a seek or a new assignment. */
  poll(reader: string, at: string, offset: bigint, value: string): void {
    this.polls.push({ reader, at, offset, value, when: this.tick() })
  }

  final(at: string, records: readonly { readonly offset: bigint; readonly value: string }[]): void {
    this.finals.set(at, [...records])
  }

  /** Sends that were acknowledged and count. */
  get acknowledged(): number {
    return this.sends.filter(send => send.fate === 'is').length
  }

  check(): Finding[] {
    return [...this.#checkFinal(), ...this.#checkOffsets(), ...this.#checkReads(), ...this.#checkTransactions(), ...this.#checkReaders(), ...this.#checkProducers()]
  }

  *#checkFinal(): Generator<Finding> {
    const present = new Map<string, string>()
    for (const [at, records] of this.finals) {
      for (const { offset, value } of records) {
        const place = `${at}@${offset}`
        const before = present.get(value)
        if (before !== undefined) yield { kind: 'duplicate', message: `"${value}" is at ${before} and at ${place}` }
        present.set(value, place)
      }
    }
    for (const { at, value, offset, fate } of this.sends) {
      if (fate !== 'is' || present.has(value)) continue
      const last = this.finals.get(at)?.at(-1)?.offset ?? -1n
      const kind = offset !== undefined && offset > last ? 'unseen' : 'lost'
      yield { kind, message: `"${value}" was acknowledged at ${at}@${offset ?? '?'} and is not there; the last record is at ${last}` }
    }
  }

  *#checkOffsets(): Generator<Finding> {
    const holds = new Map<string, string>()
    const see = function* (at: string, offset: bigint, value: string, how: string): Generator<Finding> {
      const place = `${at}@${offset}`
      const known = holds.get(place)
      if (known !== undefined && known !== value) yield { kind: 'inconsistent-offset', message: `${place} held "${known}", and "${value}" when ${how}` }
      holds.set(place, value)
    }
    for (const { at, offset, value } of this.sends) if (offset !== undefined) yield* see(at, offset, value, 'acknowledged')
    for (const { at, offset, value } of this.polls) yield* see(at, offset, value, 'read')
    for (const [at, records] of this.finals) for (const { offset, value } of records) yield* see(at, offset, value, 'read in the end')
  }

  *#checkReads(): Generator<Finding> {
    const sent = new Map(this.sends.map(send => [send.value, send]))
    const last = this.#ticks + 1
    const finals = [...this.finals].flatMap(([at, records]) => records.map(({ offset, value }) => ({ at, offset, value, when: last })))
    for (const { at, offset, value, when } of [...this.polls, ...finals]) {
      const send = sent.get(value)
      const place = `"${value}" at ${at}@${offset}`
      if (send === undefined || send.at !== at) yield { kind: 'phantom', message: `${place} was read, and nobody sent it there` }
      else if (send.fate === 'is not') yield { kind: 'aborted-read', message: `${place} was read, though its ${send.outcome === 'failed' ? 'send failed' : 'transaction was aborted'}` }
      else if (send.transaction !== undefined && when < (send.transaction.commitAt ?? 0)) yield { kind: 'precommitted-read', message: `${place} was read before its commit` }
    }
  }

  *#checkTransactions(): Generator<Finding> {
    const present = new Set([...this.finals.values()].flatMap(records => records.map(({ value }) => value)))
    for (const transaction of this.transactions) {
      const values = this.sends.filter(send => send.transaction === transaction && send.outcome === 'ok').map(({ value }) => value)
      const there = values.filter(value => present.has(value))
      if (there.length > 0 && there.length < values.length) {
        yield { kind: 'torn-transaction', message: `of "${values.join('", "')}" only "${there.join('", "')}" ${there.length === 1 ? 'is' : 'are'} there` }
      }
    }
  }

  *#checkReaders(): Generator<Finding> {
    const positions = new Map<string, bigint>()
    for (const { reader, at, offset } of this.polls) {
      const key = `${reader} ${at}`
      const before = positions.get(key)
      if (before !== undefined && offset <= before) yield { kind: 'nonmonotonic-poll', message: `${reader} read ${at}@${offset} after ${before}` }
      if (before !== undefined) {
        const skipped = this.#finalsBetween(at, before, offset)
        if (skipped !== undefined) yield { kind: 'poll-skip', message: `${reader} read ${at}@${offset} after ${before}, passing over ${skipped}` }
      }
      positions.set(key, offset)
    }
  }

  /** An offset between two others that holds a record in the end. */
  #finalsBetween(at: string, after: bigint, before: bigint): bigint | undefined {
    const records = this.finals.get(at) ?? []
    let low = 0
    for (let high = records.length; low < high;) {
      const middle = (low + high) >>> 1
      if ((records[middle]?.offset ?? 0n) <= after) low = middle + 1
      else high = middle
    }
    const next = records[low]?.offset
    return next !== undefined && next < before ? next : undefined
  }

  *#checkProducers(): Generator<Finding> {
    const last = new Map<string, NotedSend>()
    for (const send of this.sends) {
      if (send.outcome !== 'ok' || send.offset === undefined) continue
      const key = `${send.producer} ${send.at}`
      const before = last.get(key)
      if (before?.offset !== undefined && send.offset <= before.offset) {
        yield { kind: 'nonmonotonic-send', message: `${send.producer} sent "${send.value}" after "${before.value}", and it is at ${send.offset}, before ${before.offset}` }
      }
      last.set(key, send)
    }
  }
}

/** Throws with the first findings, if there are any. */
export function assertClean(history: History, where = ''): void {
  const findings = history.check()
  if (findings.length === 0) return
  const shown = findings.slice(0, 8).map(({ kind, message }) => `  ${kind}: ${message}`)
  throw new Error(`${findings.length} anomalies${where === '' ? '' : ` (${where})`}:\n${shown.join('\n')}`)
}
