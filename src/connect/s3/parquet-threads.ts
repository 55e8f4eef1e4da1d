/**
 * Threads on which row groups of Parquet are made: parsing rows and laying them out as columns takes tenths of a second, in which the thread that coordinates a run would do nothing else.
 *
 *     lines --copy--> thread: parse, columns, compress --> bytes
 *
 * One is started when all others have work. A thread that ends fails what it was at, and with that the run: rows of several writes are in a row group, and not the last one alone is at fault.
 * The next row group gets another one.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../../base/index.ts'
import type { MadeGroup, ParquetForm } from './parquet-rows.ts'

export interface ToParquetThread {
  readonly form: ParquetForm
  readonly lines: Uint8Array
}
export type FromParquetThread = { readonly made: MadeGroup } | { readonly error: string }

/** Each holds what it makes as values in columns, some ten times the bytes of the rows. */
const MOST = Math.min(4, availableParallelism())

export class ParquetThreads {
  /** Row groups that are made at the same time. */
  readonly most = MOST
  readonly #free: ParquetThread[] = []
  readonly #all = new Set<ParquetThread>()
  /** Resumes who waits for a thread; without one, because there will be none. */
  readonly #waiting: ((thread: ParquetThread | undefined) => void)[] = []
  #isClosed = false
  readonly #main: URL

  /** With the main program of its threads; what lies beside this file, under the same ending (source or built), unless said otherwise. */
  constructor(main: URL = new URL(`./parquet-main${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url)) {
    this.#main = main
  }

  async make(form: ParquetForm, lines: Uint8Array): Promise<MadeGroup> {
    const thread = await this.#thread()
    if (thread === undefined) throw new SluiceError('INTERNAL', 'The threads that make row groups of Parquet were closed.')
    try {
      return await thread.make(form, lines)
    } finally {
      this.#release(thread)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const resume of this.#waiting.splice(0)) resume(undefined)
    await Promise.all([...this.#all].map(thread => thread.close()))
  }

  #thread(): ParquetThread | undefined | Promise<ParquetThread | undefined> {
    if (this.#isClosed) return undefined
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (!free.hasEnded) return free
      this.#all.delete(free)
    }
    return this.#all.size < MOST ? this.#begin() : new Promise(resolve => this.#waiting.push(resolve))
  }

  #begin(): ParquetThread {
    const thread = new ParquetThread(this.#main)
    this.#all.add(thread)
    return thread
  }

  #release(thread: ParquetThread): void {
    if (thread.hasEnded) this.#all.delete(thread)
    const next = this.#waiting.shift()
    if (next !== undefined) next(thread.hasEnded ? this.#begin() : thread)
    else if (!thread.hasEnded) this.#free.push(thread)
  }
}

class ParquetThread {
  readonly #worker: Worker
  #answer: PromiseWithResolvers<MadeGroup> | undefined
  hasEnded = false

  constructor(main: URL) {
    this.#worker = new Worker(main, { resourceLimits: { maxYoungGenerationSizeMb: 16 } })
    this.#worker.on('message', (message: FromParquetThread) => ('made' in message ? this.#answer?.resolve(message.made) : this.#answer?.reject(new SluiceError('INTERNAL', `A row group of Parquet could not be made: ${message.error}`, { stops: true }))))
    this.#worker.on('error', (error: unknown) => this.#end(error instanceof Error ? error.message : String(error)))
    this.#worker.on('exit', () => this.#end('it ended'))
    // Nothing is under way: the process may end.
    this.#worker.unref()
  }

  async make(form: ParquetForm, lines: Uint8Array): Promise<MadeGroup> {
    const answer = (this.#answer = Promise.withResolvers())
    this.#worker.ref()
    const copy = new Uint8Array(lines)
    const message: ToParquetThread = { form, lines: copy }
    this.#worker.postMessage(message, [copy.buffer])
    try {
      return await answer.promise
    } finally {
      this.#worker.unref()
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #end(why: string): void {
    this.hasEnded = true
    this.#answer?.reject(new SluiceError('WORKER_CRASHED', `The thread that makes row groups of Parquet failed: ${why}. Where it had too little memory, set "row_group" lower.`, { stops: true }))
  }
}
