/**
 * The way of messages between the coordinating thread and a host: a worker thread, or the same thread.
 */
import { Worker } from 'node:worker_threads'
import type { MessagePort, Transferable } from 'node:worker_threads'
import { SluiceError } from '../base/index.ts'
import type { FromHost, ToHost } from './messages.ts'

export interface Link {
  send(message: ToHost): void
  /** Lets the other side use the buffer of an array again that came from there, when it is sent something next. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void
  /** Ends the other side at once. */
  terminate(): Promise<void>
  /** Bytes in use in the other side's heap, as of the last time that somebody asked; undefined where it has none of its own. */
  readonly heapBytes?: number | undefined
}

export type Listener = (message: FromHost) => void

/** A host on this thread. Each message is handled in a turn of its own, so that files and sockets get their turns too. */
export class InlineLink implements Link {
  #handle: ((message: ToHost) => void) | undefined
  #giveBack: ((buffer: ArrayBuffer) => void) | undefined

  connect(handle: (message: ToHost) => void, giveBack: (buffer: ArrayBuffer) => void): void {
    this.#handle = handle
    this.#giveBack = giveBack
  }

  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.#giveBack?.(buffer)
  }

  send(message: ToHost): void {
    setImmediate(() => this.#handle?.(message))
  }

  terminate(): Promise<void> {
    this.#handle = undefined
    return Promise.resolve()
  }
}

/** A host on a thread of its own, started from `url` with `data` as its `workerData`. */
export class ThreadLink implements Link {
  readonly #worker: Worker
  #spare: ArrayBuffer[] = []
  #heap: { readonly bytes: number | undefined; readonly asked: boolean } = { bytes: undefined, asked: false }

  constructor(url: URL, data: unknown, listener: Listener) {
    // A small young part: what it may grow to is held by each thread (see `bin/start.js`).
    this.#worker = new Worker(url, { workerData: data, stdout: false, stderr: false, resourceLimits: { maxYoungGenerationSizeMb: 4 } })
    this.#worker.on('message', listener)
    this.#worker.on('error', (error: unknown) => listener({ kind: 'failed', error: crash(error) }))
    this.#worker.on('exit', code => {
      if (code !== 0) listener({ kind: 'failed', error: crash(new Error(`the worker thread ended with code ${code}`)) })
    })
  }

  send(message: ToHost): void {
    if (message.kind !== 'piece') return this.#worker.postMessage(message, transfersTo(message))
    const spare = this.#spare
    this.#spare = []
    this.#worker.postMessage({ ...message, spare }, message.data === undefined ? spare : [...spare, message.data.buffer])
  }

  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    if (buffer.byteLength > 0) this.#spare.push(buffer)
  }

  /** The thread answers between two steps of its work; who asks takes what it said the last time. */
  get heapBytes(): number | undefined {
    const { bytes, asked } = this.#heap
    if (!asked) {
      this.#heap = { bytes, asked: true }
      // One that is not yet there, or is gone, answers nothing.
      this.#worker.getHeapStatistics().then(({ used_heap_size }) => (this.#heap = { bytes: used_heap_size, asked: false }), () => (this.#heap = { bytes, asked: false }))
    }
    return bytes
  }

  async terminate(): Promise<void> {
    this.#worker.removeAllListeners('exit')
    await this.#worker.terminate()
  }
}

/** The worker's side of a ThreadLink. */
export function sendFrom(port: MessagePort): (message: FromHost) => void {
  return message => port.postMessage(message, transfersFrom(message))
}

function crash(error: unknown): { code: string; message: string; place: string | undefined; stack: string | undefined } {
  const { message, stack } = error instanceof Error ? error : new SluiceError('WORKER_CRASHED', String(error))
  return { code: 'WORKER_CRASHED', message: `A worker thread failed: ${message}`, place: undefined, stack }
}

/** Buffers that may be given away: those that one array alone looks at. */
function transfersTo(message: ToHost): Transferable[] {
  return message.kind === 'frames' ? owned(message.frames) : []
}

function transfersFrom(message: FromHost): Transferable[] {
  if (message.kind === 'snapshot') return owned(message.groups.map(group => group.bytes))
  if (message.kind === 'samples') return owned(message.samples.map(({ bytes }) => bytes))
  if (message.kind !== 'done') return []
  const arrays = [...message.frames, message.order, ...message.sinks.flatMap(rows => [rows.bytes, rows.ends, rows.tickets, ...rows.origins])]
  return message.spare === undefined ? owned(arrays) : [...owned(arrays), message.spare]
}

function owned(arrays: readonly (Uint8Array | Uint32Array | undefined)[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const array of arrays) {
    if (array === undefined || array.length === 0 || !(array.buffer instanceof ArrayBuffer)) continue
    // A small Buffer may lie in the pool that others use too: it is copied instead.
    if (array.buffer.byteLength === Buffer.poolSize && array.byteLength < Buffer.poolSize) continue
    buffers.add(array.buffer)
  }
  return [...buffers]
}
