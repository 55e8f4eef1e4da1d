/** Which lines there are, whatever their order: the sum of a hash of each. */
import { createHash } from 'node:crypto'

const NEWLINE = 10

export class LineDigest {
  lines = 0
  #sum = 0n

  /** Takes whole lines. */
  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(NEWLINE, from)
      if (end < 0) throw new Error('the last line has no end')
      this.#sum += createHash('md5').update(bytes.subarray(from, end)).digest().readBigUInt64LE()
      this.lines++
      from = end + 1
    }
  }

  /** The number of lines and the sum of their hashes. */
  get text(): string {
    return `${this.lines}-${BigInt.asUintN(64, this.#sum).toString(16)}`
  }
}
