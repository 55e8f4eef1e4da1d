/**
 * Partitions whose storage works on a thread of its own: checks, writes, reads and compaction then cost the calling thread nothing but a message.
 *
 *     append(batch) --copy--> thread: check, write, sync --> ack, with the partition's state at that moment
 *
 * All partitions of a log share one thread. What a partition can be asked without a wait (its offsets) is a copy, brought up to date before an answer is given, so whoever saw
 * a record acknowledged also sees the end behind it. A thread that fails stops the log: every call is LOG_STOPPED from then on.
 */
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../../base/index.ts'
import { errorOf } from './storage-messages.ts'
import type { FromStorage, PartitionCall, PartitionState, ToStorage } from './storage-messages.ts'
import type { AppendedBatch, PartitionRead, PartitionStorage, StorageSettings } from './storage/partition-port.ts'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class StorageThread {
  readonly #worker: Worker
  readonly #warn: (message: string) => void
  readonly #waiting = new Map<number, Waiting>()
  readonly #partitions = new Map<number, ThreadPartition>()
  #calls = 0
  #opened = 0
  #failure: SluiceError | undefined

  constructor(warn: (message: string) => void) {
    this.#warn = warn
    // Beside this file, under the same ending: source or built.
    const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
    this.#worker = new Worker(new URL(`./storage-main${ending}`, import.meta.url))
    this.#worker.on('message', (message: FromStorage) => this.#receive(message))
    this.#worker.on('error', (error: unknown) => this.#fail(error instanceof Error ? error.message : String(error)))
    this.#worker.on('exit', () => this.#fail('it ended'))
    // Nothing is under way: the process may end.
    this.#worker.unref()
  }

  async open(folder: string, settings: StorageSettings): Promise<PartitionStorage> {
    const number = this.#opened++
    const partition = new ThreadPartition(call => this.#call(number, call))
    this.#partitions.set(number, partition)
    try {
      await this.#call(number, { kind: 'open', folder, settings })
      return partition
    } catch (error) {
      this.#partitions.delete(number)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#worker.removeAllListeners('exit')
    await this.#worker.terminate()
    this.#fail('the log was closed')
  }

  #call(partition: number, call: PartitionCall): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const id = this.#calls++
      if (this.#waiting.size === 0) this.#worker.ref()
      this.#waiting.set(id, { resolve, reject })
      const message: ToStorage = { id, partition, call }
      this.#worker.postMessage(message, call.kind === 'append' && call.batch.buffer instanceof ArrayBuffer ? [call.batch.buffer] : [])
    })
  }

  #receive(message: FromStorage): void {
    if (message.kind === 'warning') return this.#warn(message.message)
    const partition = this.#partitions.get(message.partition)
    if (message.state !== undefined) partition?.move(message.state)
    if (message.kind === 'moved') return
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (message.kind === 'done') waiting?.resolve(message.value)
    else waiting?.reject(errorOf(message.error))
  }

  #fail(why: string): void {
    this.#failure ??= new SluiceError('LOG_STOPPED', `The thread of the storage is gone: ${why}.`)
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
  }
}

const NOTHING: PartitionState = { start: 0n, end: 0n, appended: 0n, stable: 0n, transactions: [], bytes: 0, trouble: undefined, quarantined: [] }

interface Watcher {
  readonly offset: bigint
  readonly callback: () => void
}

class ThreadPartition implements PartitionStorage {
  /** Answers what the thread does: the types of its answers are those of the calls. */
  readonly #call: (call: PartitionCall) => Promise<unknown>
  readonly #watchers = new Set<Watcher>()
  #state = NOTHING

  constructor(call: (call: PartitionCall) => Promise<unknown>) {
    this.#call = call
  }

  /** Takes over what the thread says, and calls those who waited for it. */
  move(state: PartitionState): void {
    this.#state = state
    for (const watcher of [...this.#watchers]) {
      if (state.end <= watcher.offset) continue
      this.#watchers.delete(watcher)
      watcher.callback()
    }
  }

  get start(): bigint {
    return this.#state.start
  }

  get end(): bigint {
    return this.#state.end
  }

  get appended(): bigint {
    return this.#state.appended
  }

  get stable(): bigint {
    return this.#state.stable
  }

  get transactions(): PartitionState['transactions'] {
    return this.#state.transactions
  }

  get bytes(): number {
    return this.#state.bytes
  }

  get trouble(): string | undefined {
    return this.#state.trouble
  }

  get quarantined(): PartitionState['quarantined'] {
    return this.#state.quarantined
  }

  append(batch: Uint8Array): Promise<AppendedBatch> {
    // A copy: who hands a batch in may hand it in again.
    return this.#call({ kind: 'append', batch: new Uint8Array(batch) }) as Promise<AppendedBatch>
  }

  appendMarker(producerId: bigint, epoch: number, commit: boolean): Promise<AppendedBatch> {
    return this.#call({ kind: 'marker', producerId, epoch, commit }) as Promise<AppendedBatch>
  }

  read(from: bigint, maxBytes: number, until: bigint): Promise<PartitionRead> {
    return this.#call({ kind: 'read', from, maxBytes, until }) as Promise<PartitionRead>
  }

  offsetAt(time: number): Promise<bigint | undefined> {
    return this.#call({ kind: 'offsetAt', time }) as Promise<bigint | undefined>
  }

  onEnd(offset: bigint, callback: () => void): () => void {
    const watcher: Watcher = { offset, callback }
    this.#watchers.add(watcher)
    // Not at once: the caller has not got the answer that cancels it.
    if (this.end > offset) queueMicrotask(() => this.move(this.#state))
    return () => void this.#watchers.delete(watcher)
  }

  deleteBefore(offset: bigint): Promise<bigint> {
    return this.#call({ kind: 'deleteBefore', offset }) as Promise<bigint>
  }

  clean(now: number): Promise<{ readonly deletedBytes: number; readonly compactedBytes: number }> {
    return this.#call({ kind: 'clean', now }) as Promise<{ deletedBytes: number; compactedBytes: number }>
  }

  configure(settings: StorageSettings): void {
    // In order with the calls before and behind it. It can fail only where the thread is gone, which every later call tells.
    this.#call({ kind: 'configure', settings }).catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.#call({ kind: 'close' })
  }
}
