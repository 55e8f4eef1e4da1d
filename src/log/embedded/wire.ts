/** Numbers and texts of the log's own records, in Kafka's classic encoding: big-endian, texts with a length of 16 bits. */
import { SluiceError } from '../../base/index.ts'

/** Writes one key or value. */
export class WireWriter {
  readonly #parts: Buffer[] = []

  int8(value: number): this {
    return this.#add(1, bytes => bytes.writeInt8(value))
  }

  int16(value: number): this {
    return this.#add(2, bytes => bytes.writeInt16BE(value))
  }

  int32(value: number): this {
    return this.#add(4, bytes => bytes.writeInt32BE(value))
  }

  int64(value: bigint): this {
    return this.#add(8, bytes => bytes.writeBigInt64BE(value))
  }

  text(value: string): this {
    const bytes = Buffer.from(value)
    this.int16(bytes.length)
    this.#parts.push(bytes)
    return this
  }

  /** A number of 7 bits per byte, the lowest first: lengths and tags in Kafka's newer encoding. */
  unsigned(value: number): this {
    for (; value > 0x7f; value = Math.floor(value / 128)) this.int8((((value % 128) | 0x80) << 24) >> 24)
    return this.int8(value)
  }

  /** A text in the newer encoding: its length and one, then the bytes. */
  compactText(value: string): this {
    const bytes = Buffer.from(value)
    this.unsigned(bytes.length + 1)
    this.#parts.push(bytes)
    return this
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }

  #add(length: number, write: (bytes: Buffer) => unknown): this {
    const bytes = Buffer.alloc(length)
    write(bytes)
    this.#parts.push(bytes)
    return this
  }
}

/** Reads one key or value; what does not fit is LOG_CORRUPT. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8))
  }

  text(): string {
    const length = this.int16()
    const at = this.#take(length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  unsigned(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.int8() & 0xff
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      if (factor > 2 ** 28) throw new SluiceError('LOG_CORRUPT', 'A record of the log itself holds a number that does not end.')
    }
  }

  compactText(): string {
    const length = this.unsigned() - 1
    const at = this.#take(length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  /** Passes over so many bytes. */
  skip(length: number): void {
    this.#take(length)
  }

  #take(length: number): number {
    const at = this.#at
    if (length < 0 || at + length > this.#bytes.length) {
      throw new SluiceError('LOG_CORRUPT', `A record of the log itself ends after ${this.#bytes.length} bytes, ${length} more are announced at ${at}.`)
    }
    this.#at += length
    return at
  }
}
