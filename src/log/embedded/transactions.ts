/**
 * The coordinator of transactions: one state per transactional id, kept in `__transaction_state`.
 *
 *            add                end(commit): record prepare_commit durable = the commit point
 *     empty ----> ongoing ---------------------------------------------------> committing --+
 *       ^            | end(abort), timeout, or a newer producer of the name                 | markers in all partitions
 *       |            +-------------------------------------------------------> aborting ----+
 *       +-------------- epoch + 1; an epoch that is used up takes a new producer id --------+
 *
 * Every end of a transaction raises the epoch, and the markers carry the new one. So a commit, an abort or a record of an earlier transaction that comes late
 * never meets a later one: it is LOG_FENCED. `ongoing` is not written down: after a restart, whatever is open in a partition and not prepared is aborted, and
 * what is prepared gets the markers that are missing.
 *
 *     unknown: the disk failed while the decision was written. What it holds decides at the next opening; until then nobody ends the transaction.
 *
 * Bounded: an id that nobody used for a week is forgotten.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import { Serial, eachOf } from './calls.ts'
import type { Catalog, Partition } from './catalog.ts'
import { InternalTopic } from './internal-topic.ts'
import { partitionKey } from './offset-store.ts'
import type { OffsetStore } from './offset-store.ts'
import type { ProducerIds } from './producer-ids.ts'
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from './topic-settings.ts'
import { decodeTransaction, encodeTransaction, transactionKey } from './transaction-records.ts'
import type { TransactionRecord, TransactionStatus } from './transaction-records.ts'

/** The greatest epoch is for markers only: who has it could not be fenced any more. */
export const EPOCH_MAX = 32_767
const LANES = 16
const FORGET_MS = 7 * 24 * 60 * 60 * 1000
const RETRY_MS = 100
const TIMEOUT_MAX = 15 * 60 * 1000

export interface Identity {
  readonly producerId: bigint
  readonly epoch: number
}

interface Transaction {
  readonly name: string
  readonly serial: Serial
  identity: Identity
  timeout: number
  state: 'empty' | 'ongoing' | 'committing' | 'aborting' | 'unknown'
  readonly partitions: Map<string, Partition>
  started: number
  updated: number
  cancelTimeout: () => void
  /** Whose transaction was aborted by its timeout: it is told so, others that it is fenced. */
  lapsed: Identity | undefined
  /** True while a producer of this process goes by the name. */
  used: boolean
  failure: unknown
}

export interface TransactionsParts {
  readonly catalog: Catalog
  readonly clock: Clock
  readonly ids: ProducerIds
  readonly offsets: OffsetStore
  readonly warn: (message: string) => void
}

const same = (a: Identity | undefined, b: Identity): boolean => a?.producerId === b.producerId && a.epoch === b.epoch

export class Transactions {
  readonly #parts: TransactionsParts
  readonly #topic: InternalTopic
  readonly #transactions = new Map<string, Transaction>()
  readonly #closing = new AbortController()

  private constructor(parts: TransactionsParts) {
    this.#parts = parts
    this.#topic = new InternalTopic(TRANSACTIONS_TOPIC, parts.catalog, parts.clock)
  }

  /** Reads the states, ends what a crash left open, and only then lets anybody in. */
  static async open(parts: TransactionsParts): Promise<Transactions> {
    const transactions = new Transactions(parts)
    const records = new Map<string, TransactionRecord>()
    await transactions.#topic.replay({
      entry(entry) {
        const decoded = decodeTransaction(entry)
        if (decoded?.record !== undefined) records.set(decoded.name, decoded.record)
        else if (decoded !== undefined) records.delete(decoded.name)
      },
      end: () => undefined,
    })
    await transactions.#recover(records)
    return transactions
  }

  /** Makes the caller the one producer of the name: what another left open is aborted, and whatever it still sends is refused. */
  async init(name: string, timeout: number): Promise<Identity> {
    if (name === '' || Buffer.byteLength(name) > 249) throw new SluiceError('LOG_SETTING', `"${name.slice(0, 260)}" is no transactional id: 1 to 249 bytes.`)
    if (!Number.isSafeInteger(timeout) || timeout < 1 || timeout > TIMEOUT_MAX) {
      throw new SluiceError('LOG_SETTING', `A transaction timeout of ${timeout} ms is not possible: 1 to ${TIMEOUT_MAX}.`)
    }
    await this.#topic.partition()
    const producerId = this.#transactions.has(name) ? undefined : await this.#parts.ids.next()
    const transaction = this.#transactions.get(name) ?? this.#make(name, { producerId: producerId ?? 0n, epoch: -1 }, timeout)
    this.#transactions.set(name, transaction)
    transaction.used = true
    return transaction.serial.run(async () => {
      if (transaction.state === 'ongoing') await this.#end(transaction, false)
      this.#checkUsable(transaction)
      // The older producer is fenced from here on, even where the record below can't be written.
      transaction.identity = await this.#raised(transaction.identity)
      transaction.lapsed = undefined
      transaction.timeout = timeout
      await this.#write(transaction, 'empty')
      return transaction.identity
    })
  }

  /** The identity to go on with after a transaction that its timeout aborted; LOG_FENCED where another producer took the name since. */
  renew(name: string, identity: Identity): Identity {
    const transaction = this.#transactions.get(name)
    if (transaction === undefined || !same(transaction.lapsed, identity)) return this.check(name, identity).identity
    transaction.lapsed = undefined
    return transaction.identity
  }

  /** The producer is gone. */
  release(name: string, identity: Identity): void {
    const transaction = this.#transactions.get(name)
    if (transaction !== undefined && (same(transaction.identity, identity) || same(transaction.lapsed, identity))) transaction.used = false
  }

  /** Takes a partition into the transaction of a producer, opening the transaction where it is the first. Throws LOG_FENCED or LOG_TRANSACTION_STATE. */
  add(name: string, identity: Identity, partition: Partition): void {
    const transaction = this.check(name, identity)
    if (transaction.state === 'ongoing') {
      transaction.partitions.set(partitionKey(partition), partition)
      return
    }
    if (transaction.state !== 'empty') throw new SluiceError('LOG_TRANSACTION_STATE', `The transaction of "${name}" is being ended.`)
    transaction.state = 'ongoing'
    transaction.started = this.#parts.clock.now()
    transaction.partitions.set(partitionKey(partition), partition)
    this.#arm(transaction, transaction.timeout)
  }

  /** Throws LOG_FENCED where a newer producer of the name is there, LOG_TRANSACTION_STATE where the timeout ended the transaction. */
  check(name: string, identity: Identity): Transaction {
    const transaction = this.#transactions.get(name)
    if (transaction !== undefined && same(transaction.identity, identity)) {
      this.#checkUsable(transaction)
      return transaction
    }
    if (same(transaction?.lapsed, identity)) {
      throw new SluiceError('LOG_TRANSACTION_STATE', `The transaction of "${name}" was aborted: it was open for longer than its timeout.`)
    }
    throw new SluiceError('LOG_FENCED', `A newer producer with the transactional id "${name}" took over.`)
  }

  /** Ends the transaction; answers who the producer is from now on. When it resolves, all of it can be seen, or nothing. */
  end(name: string, identity: Identity, commit: boolean): Promise<Identity> {
    const transaction = this.check(name, identity)
    return transaction.serial.run(async () => {
      this.check(name, identity)
      if (transaction.state === 'ongoing') await this.#end(transaction, commit)
      return transaction.identity
    })
  }

  /** Forgets ids that nobody used for long. */
  async forgetOld(): Promise<void> {
    const now = this.#parts.clock.now()
    const old = [...this.#transactions.values()].filter(({ state, used, updated }) => state === 'empty' && !used && now - updated > FORGET_MS)
    for (const { name } of old) this.#transactions.delete(name)
    await this.#topic.append(old.map(({ name }) => ({ key: transactionKey(name), value: null })))
  }

  /** Lets what is being ended come to its end; what is open stays open until the log is opened again, which aborts it. */
  async close(): Promise<void> {
    for (const transaction of this.#transactions.values()) transaction.cancelTimeout()
    this.#closing.abort()
    await Promise.all([...this.#transactions.values()].map(({ serial }) => serial.idle()))
  }

  #make(name: string, identity: Identity, timeout: number): Transaction {
    const now = this.#parts.clock.now()
    return {
      name, serial: new Serial(), identity, timeout, state: 'empty', partitions: new Map(), started: now, updated: now, cancelTimeout: () => undefined,
      lapsed: undefined, used: false, failure: undefined,
    }
  }

  #checkUsable({ name, state, failure }: Transaction): void {
    if (state !== 'unknown') return
    throw new SluiceError('LOG_STOPPED', `The end of the transaction of "${name}" could not be written. Open the log anew: what the disk holds decides.`, { cause: failure })
  }

  #arm(transaction: Transaction, ms: number): void {
    transaction.cancelTimeout = this.#parts.clock.timer(ms, () => {
      void transaction.serial.run(async () => {
        if (transaction.state !== 'ongoing') return
        const { identity } = transaction
        await this.#end(transaction, false)
        transaction.lapsed = identity
        this.#parts.warn(`The transaction of "${transaction.name}" was aborted: it was open for longer than ${transaction.timeout} ms.`)
      }).catch((error: unknown) => {
        this.#parts.warn(`The transaction of "${transaction.name}" is older than ${transaction.timeout} ms and could not be aborted yet: ${String(error)}`)
      })
    })
  }

  async #end(transaction: Transaction, commit: boolean): Promise<void> {
    transaction.cancelTimeout()
    transaction.state = commit ? 'committing' : 'aborting'
    try {
      await this.#write(transaction, commit ? 'prepare_commit' : 'prepare_abort')
    } catch (error) {
      this.#takeBack(transaction, error)
      throw error
    }
    await this.#complete(transaction, commit)
  }

  /** The decision was refused, so nothing was decided; or nobody knows. */
  #takeBack(transaction: Transaction, error: unknown): void {
    if (error instanceof SluiceError && error.retry) {
      transaction.state = 'ongoing'
      this.#arm(transaction, Math.max(1000, transaction.started + transaction.timeout - this.#parts.clock.now()))
    } else {
      transaction.state = 'unknown'
      transaction.failure = error
    }
  }

  /** The decision stands: tells it to all partitions, however long it takes. */
  async #complete(transaction: Transaction, commit: boolean): Promise<void> {
    const { producerId, epoch } = transaction.identity
    const raised = epoch + 1
    let failed: { readonly error: unknown } | undefined
    // One partition that takes nothing any more must not keep the marker from the others.
    await eachOf(transaction.partitions.values(), LANES, async partition => {
      await this.#mark(partition, producerId, raised, commit).catch((error: unknown) => {
        failed ??= { error }
      })
    })
    try {
      if (failed !== undefined) throw failed.error
      transaction.identity = raised < EPOCH_MAX ? { producerId, epoch: raised } : { producerId: await this.#parts.ids.next(), epoch: 0 }
    } catch (error) {
      transaction.state = 'unknown'
      transaction.failure = error
      throw error
    }
    transaction.partitions.clear()
    transaction.state = 'empty'
    // Not waited for: without it, the next opening finds nothing left to do.
    void this.#write(transaction, commit ? 'complete_commit' : 'complete_abort').catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#parts.warn(`The end of the transaction of "${transaction.name}" could not be noted: ${String(error)}`)
    })
  }

  /** Writes one marker. A full disk is waited for: the decision can't be taken back. */
  async #mark(partition: Partition, producerId: bigint, epoch: number, commit: boolean): Promise<void> {
    for (let wait = RETRY_MS; !partition.gone; wait = Math.min(wait * 2, 10 * RETRY_MS)) {
      try {
        await partition.storage.appendMarker(producerId, epoch, commit)
        break
      } catch (error) {
        if (partition.gone) break
        if (!(error instanceof SluiceError) || !error.retry) throw error
        await this.#pause(wait)
      }
    }
    if (partition.topic === OFFSETS_TOPIC) this.#parts.offsets.finish(producerId, commit)
  }

  /** Does not keep the process alive: the next opening finishes what is decided. Throws ABORTED when the log is closed. */
  #pause(ms: number): Promise<void> {
    const { signal } = this.#closing
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel()
        reject(new SluiceError('ABORTED', 'The log was closed.'))
      }
      const cancel = this.#parts.clock.timer(ms, () => {
        signal.removeEventListener('abort', end)
        resolve()
      })
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    })
  }

  async #raised({ producerId, epoch }: Identity): Promise<Identity> {
    return epoch + 1 < EPOCH_MAX ? { producerId, epoch: epoch + 1 } : { producerId: await this.#parts.ids.next(), epoch: 0 }
  }

  async #write(transaction: Transaction, status: TransactionStatus): Promise<void> {
    const { name, identity: { producerId, epoch }, timeout, started } = transaction
    transaction.updated = this.#parts.clock.now()
    const partitions = new Map<string, number[]>()
    for (const { topic, partition } of transaction.partitions.values()) partitions.set(topic, [...(partitions.get(topic) ?? []), partition])
    await this.#topic.append([encodeTransaction({ name, producerId, epoch, timeout, status, partitions, updated: transaction.updated, started })])
  }

  /** Ends what was open when the process died: as it was decided, or by abort. */
  async #recover(records: ReadonlyMap<string, TransactionRecord>): Promise<void> {
    const byProducer = new Map<bigint, { readonly transaction: Transaction; readonly status: TransactionStatus; epoch: number }>()
    for (const { name, producerId, epoch, timeout, status, updated } of records.values()) {
      const transaction = this.#make(name, { producerId, epoch }, timeout)
      transaction.updated = updated
      this.#transactions.set(name, transaction)
      byProducer.set(producerId, { transaction, status, epoch: status.startsWith('prepare') ? epoch + 1 : epoch })
    }
    const partitions = this.#parts.catalog.topics.flatMap(topic => topic.partitions)
    await eachOf(partitions, LANES, async partition => {
      for (const { producerId, epoch } of partition.storage.transactions) {
        const known = byProducer.get(producerId)
        const decided = known?.status === 'prepare_commit' && known.transaction.identity.epoch === epoch
        const raised = Math.min(epoch + 1, EPOCH_MAX)
        if (known !== undefined) known.epoch = Math.max(known.epoch, raised)
        await this.#mark(partition, producerId, raised, decided)
      }
    })
    for (const { transaction, epoch } of byProducer.values()) transaction.identity = { producerId: transaction.identity.producerId, epoch }
  }
}
