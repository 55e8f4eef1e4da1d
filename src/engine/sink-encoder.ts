/**
 * Makes the bytes that a sink writes out of events, on the worker: one growing buffer per target, handed out per batch.
 *
 * Rows carry their ticket, so that chunks which came from several lanes can be put in order again, and their ends where the sink answers per row.
 */
import type { Event } from '../event/index.ts'
import type { BufferPool } from './buffers.ts'
import type { BlockBuilder, Encoder, SinkEncoding } from './component.ts'
import { writeFrame } from './frame.ts'

/** What one sink gets out of one batch on one lane, for one target. */
export interface SinkRows {
  /** Index of the sink's node. */
  readonly sink: number
  readonly target: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly rows: number
  readonly ends: Uint32Array<ArrayBuffer> | undefined
  readonly tickets: Uint32Array<ArrayBuffer> | undefined
  /** True where `bytes` lies in a buffer with those of other targets. */
  readonly shared?: boolean
  /** True where `bytes` is one block, which can't be merged with others. */
  readonly block?: boolean
  /** The events themselves as frames, for a sink that may refuse single rows; empty for others. */
  readonly origins: readonly Uint8Array<ArrayBuffer>[]
}

/** What of the rows is wanted beside the bytes. */
export interface RowWants {
  readonly ends: boolean
  readonly tickets: boolean
  readonly origins: boolean
}

/** Bytes that a target's buffer begins with, where nothing is known about it. */
const FIRST = 32 * 1024
/** Targets of a batch from which on they begin small, and leave in one buffer: one for each would be mostly empty, and cost more than what is in it. */
const MANY = 8
const SMALL = 2048

class Growing {
  bytes: Buffer<ArrayBuffer>
  used = 0
  rows = 0
  readonly ends: number[] = []
  readonly tickets: number[] = []
  readonly events: Event[] = []

  readonly #pool: BufferPool

  constructor(pool: BufferPool, size: number) {
    this.#pool = pool
    this.bytes = Buffer.from(size <= SMALL ? new ArrayBuffer(size) : pool.take(size).buffer)
  }

  write(text: string | Uint8Array): void {
    const most = typeof text === 'string' ? text.length * 3 : text.length
    if (this.used + most > this.bytes.length) {
      const larger = Buffer.from(this.#pool.take(Math.max(this.bytes.length * 2, this.used + most)).buffer)
      this.bytes.copy(larger, 0, 0, this.used)
      this.#pool.give(this.bytes.buffer)
      this.bytes = larger
    }
    if (typeof text === 'string') this.used += this.bytes.write(text, this.used)
    else {
      this.bytes.set(text, this.used)
      this.used += text.length
    }
  }
}

/** Rows that were encoded out of the order of their tickets, as dead letters are, put in order. */
function inOrder(open: Growing, pool: BufferPool): Growing {
  const { tickets, ends, events } = open
  if (tickets.every((ticket, row) => row === 0 || ticket >= (tickets[row - 1] ?? 0))) return open
  const rows = tickets.map((ticket, row) => ({ ticket, row })).sort((a, b) => a.ticket - b.ticket)
  const sorted = new Growing(pool, open.used)
  for (const { ticket, row } of rows) {
    sorted.write(open.bytes.subarray(row === 0 ? 0 : (ends[row - 1] ?? 0), ends[row]))
    sorted.rows++
    sorted.ends.push(sorted.used)
    sorted.tickets.push(ticket)
    const event = events[row]
    if (event !== undefined) sorted.events.push(event)
  }
  pool.give(open.bytes.buffer)
  return sorted
}

export interface RowEncoder {
  /** Encodes events; answers those that have no form here. */
  add(events: readonly Event[]): { event: Event; error: unknown }[]
  /** What was encoded since the last call. */
  take(): SinkRows[]
}

export class SinkEncoder implements RowEncoder {
  readonly #sink: number
  readonly #encoder: Encoder
  readonly #target: ((event: Event) => string) | undefined
  readonly #wants: RowWants
  readonly #pool: BufferPool
  /** Bytes that the last batch made for a target. */
  #size = FIRST
  #open = new Map<string, Growing>()

  constructor(sink: number, encoder: Encoder, encoding: SinkEncoding, wants: RowWants, pool: BufferPool) {
    this.#pool = pool
    this.#sink = sink
    this.#encoder = encoder
    this.#target = encoding.target?.bind(encoding)
    this.#wants = wants
  }

  add(events: readonly Event[]): { event: Event; error: unknown }[] {
    const failed: { event: Event; error: unknown }[] = []
    for (const event of events) {
      try {
        const target = this.#target === undefined ? '' : this.#target(event)
        const text = this.#encoder.encode(event)
        this.#put(target, text, event)
      } catch (error) {
        failed.push({ event, error })
      }
    }
    return failed
  }

  #put(target: string, text: string | Uint8Array, event: Event): void {
    let open = this.#open.get(target)
    if (open === undefined) this.#open.set(target, (open = new Growing(this.#pool, this.#open.size < MANY ? this.#size : SMALL)))
    open.write(text)
    open.rows++
    if (this.#wants.ends || this.#wants.tickets) open.ends.push(open.used)
    if (this.#wants.tickets) open.tickets.push(event.ticket)
    if (this.#wants.origins) open.events.push(event)
  }

  take(): SinkRows[] {
    const result: SinkRows[] = []
    const shared = this.#open.size > MANY ? this.#room() : undefined
    let at = 0
    for (const [target, grown] of this.#open) {
      const open = inOrder(grown, this.#pool)
      this.#size = Math.max(FIRST, open.used)
      let bytes = new Uint8Array(open.bytes.buffer, 0, open.used)
      if (shared !== undefined) {
        shared.set(bytes, at)
        bytes = shared.subarray(at, (at += open.used))
        this.#pool.give(open.bytes.buffer)
      }
      result.push({
        sink: this.#sink,
        target,
        bytes,
        ...(shared === undefined ? {} : { shared: true }),
        rows: open.rows,
        ends: this.#wants.ends ? Uint32Array.from(open.ends) : undefined,
        tickets: this.#wants.tickets ? Uint32Array.from(open.tickets) : undefined,
        origins: this.#wants.origins ? [writeFrame(open.events.map(event => ({ event, node: this.#sink })), open.tickets)] : [],
      })
    }
    if (this.#open.size > 0) this.#open = new Map()
    return result
  }

  /** One buffer for all targets. Nobody gives it back, as nobody knows who is done with it last. */
  #room(): Uint8Array<ArrayBuffer> {
    let bytes = 0
    for (const { used } of this.#open.values()) bytes += used
    return new Uint8Array(new ArrayBuffer(bytes))
  }
}

/** The same for a sink that takes blocks. */
export class BlockEncoder implements RowEncoder {
  readonly #sink: number
  readonly #encoding: SinkEncoding
  readonly #make: () => BlockBuilder
  readonly #open = new Map<string, { readonly builder: BlockBuilder; rows: number }>()
  /** Builders of the last batch, which have their memory already. */
  readonly #free: BlockBuilder[] = []

  constructor(sink: number, encoding: SinkEncoding, make: () => BlockBuilder) {
    this.#sink = sink
    this.#encoding = encoding
    this.#make = make
  }

  add(events: readonly Event[]): { event: Event; error: unknown }[] {
    const failed: { event: Event; error: unknown }[] = []
    for (const event of events) {
      try {
        const open = this.#target(this.#encoding.target?.(event) ?? '')
        open.builder.add(event)
        open.rows++
      } catch (error) {
        failed.push({ event, error })
      }
    }
    return failed
  }

  #target(name: string): { readonly builder: BlockBuilder; rows: number } {
    let open = this.#open.get(name)
    if (open === undefined) this.#open.set(name, (open = { builder: this.#free.pop() ?? this.#make(), rows: 0 }))
    return open
  }

  take(): SinkRows[] {
    const result: SinkRows[] = []
    for (const [target, { builder, rows }] of this.#open) {
      if (rows > 0) result.push({ sink: this.#sink, target, bytes: builder.finish(), rows, ends: undefined, tickets: undefined, origins: [], block: true })
      this.#free.push(builder)
    }
    this.#open.clear()
    return result
  }
}
