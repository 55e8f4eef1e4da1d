/**
 * The worker's half of the log sink: events of one batch and partition become finished record batches, ready to be appended as they are.
 *
 * A block is one or more batches, one behind the other, each below the size that a topic takes by default.
 */
import { SluiceError } from '../../base/index.ts'
import type { BlockBuilder, CompiledExpression, PieceMarks } from '../../engine/index.ts'
import type { Event } from '../../event/index.ts'
import { toJson } from '../../expr/index.ts'
import { BatchWriter } from '../../log/index.ts'
import type { RecordHeader } from '../../log/index.ts'

export interface RecordParts {
  readonly key: CompiledExpression | undefined
  readonly headers: Readonly<Record<string, CompiledExpression>>
  readonly time: CompiledExpression | undefined
  readonly now: () => number
}

/** Bytes of a batch at which the next is begun: below 1 MiB also with one long record behind. */
const BATCH_BYTES = 256 * 1024

export class RecordBlock implements BlockBuilder {
  readonly #parts: RecordParts
  readonly #writer = new BatchWriter({ bytes: BATCH_BYTES })
  #done: Uint8Array[] = []
  readonly addLines?: NonNullable<BlockBuilder['addLines']>

  constructor(parts: RecordParts) {
    this.#parts = parts
    // Expressions need events: columns can't make such records.
    const plain = parts.key === undefined && parts.time === undefined && Object.keys(parts.headers).length === 0
    if (plain) this.addLines = (lines, ends, rows, marks) => this.#addLines(lines, ends, rows, marks)
  }

  add(event: Event): void {
    this.#writer.add(keyBytes(keyOf(event, this.#parts.key)), Buffer.from(event.text), this.#headers(event), timeOf(event, this.#parts))
    this.#cut()
  }

  #addLines(lines: Uint8Array, ends: ArrayLike<number>, rows: number, { key, headers, time }: PieceMarks): void {
    const at = time ?? this.#parts.now()
    if (key === undefined && headers === undefined) {
      this.#writer.addLines(lines, ends, rows, at)
      return this.#cut()
    }
    const bytes = keyBytes(key)
    const own = headers === undefined ? [] : Object.entries(headers).map(([name, value]): RecordHeader => [name, Buffer.from(value)])
    for (let row = 0, from = 0; row < rows; row++) {
      const end = ends[row] ?? 0
      this.#writer.add(bytes, lines.subarray(from, end - 1), own, at)
      from = end
      this.#cut()
    }
  }

  #headers(event: Event): RecordHeader[] {
    const headers: RecordHeader[] = Object.entries(event.headers).map(([name, value]) => [name, Buffer.from(value)])
    for (const [name, expression] of Object.entries(this.#parts.headers)) {
      const value = expression(event)
      headers.push([name, value === null || value === undefined ? null : Buffer.from(textOf(value))])
    }
    return headers
  }

  #cut(): void {
    if (this.#writer.bytes >= BATCH_BYTES) this.#finishBatch()
  }

  #finishBatch(): void {
    if (this.#writer.count > 0) this.#done.push(this.#writer.finish())
  }

  finish(): Uint8Array<ArrayBuffer> {
    this.#finishBatch()
    const batches = this.#done
    this.#done = []
    const only = batches.length === 1 ? batches[0] : undefined
    if (only !== undefined && only.buffer instanceof ArrayBuffer && only.length === only.buffer.byteLength) return new Uint8Array(only.buffer)
    return new Uint8Array(Buffer.concat(batches))
  }
}

/** The key of an event's record: what the sink's expression says, else the one that it came with. */
export function keyOf(event: Event, expression: CompiledExpression | undefined): string | undefined {
  if (expression === undefined) return event.key
  const value = expression(event)
  return value === null || value === undefined ? undefined : textOf(value)
}

export function keyBytes(key: string | undefined): Uint8Array | null {
  return key === undefined ? null : Buffer.from(key)
}

function timeOf(event: Event, { time, now }: RecordParts): number {
  if (time === undefined) return event.time ?? now()
  const value = toJson(time(event))
  const ms = typeof value === 'string' ? Date.parse(value) : value
  if (typeof ms !== 'number' || !Number.isFinite(ms)) throw new SluiceError('FIELD_TYPE', `The time of a record is a timestamp, or milliseconds since 1970; it is ${textOf(value)}.`)
  return Math.round(ms)
}

/** Text as it is; anything else as JSON. */
function textOf(value: unknown): string {
  const json = toJson(value)
  return typeof json === 'string' ? json : (JSON.stringify(json) ?? 'null')
}
