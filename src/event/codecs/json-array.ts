/**
 * Turns a JSON array into JSON lines while it streams by: `[ {...}, {...} ]` becomes one element a line.
 *
 * Line ends between tokens become spaces (inside of strings JSON has none), the commas between elements become line ends. Several arrays, or values
 * without an array around them, may follow each other. Memory: one element.
 */
import { SluiceError } from '../../base/index.ts'

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_BRACE, CLOSE_BRACE, COMMA, NEWLINE, SPACE] = [34, 92, 91, 93, 123, 125, 44, 10, 32]

export class JsonArrayCutter {
  #depth = 0
  #inArray = false
  #inString = false
  #escaped = false
  /** True once the current element has begun. */
  #begun = false

  /** The bytes as lines. Throws JSON_SYNTAX where the nesting can't be right. */
  push(bytes: Uint8Array): Uint8Array {
    const out = new Uint8Array(bytes.length + 1)
    let to = 0
    for (const byte of bytes) {
      const made = this.#byte(byte)
      if (made >= 0) out[to++] = made
    }
    return out.subarray(0, to)
  }

  /** Throws JSON_SYNTAX where the input ended inside of something. */
  end(): void {
    if (this.#inString || this.#depth > 0 || this.#inArray) throw new SluiceError('JSON_SYNTAX', 'The input ends inside of a JSON array or value: it was cut off.')
  }

  /** The byte to write, or -1 for none. */
  #byte(byte: number): number {
    if (this.#inString) return this.#stringByte(byte)
    switch (byte) {
      case QUOTE:
        this.#inString = true
        this.#begun = true
        return byte
      case OPEN:
      case OPEN_BRACE:
        if (byte === OPEN && !this.#inArray && this.#depth === 0 && !this.#begun) {
          this.#inArray = true
          return -1
        }
        this.#depth++
        this.#begun = true
        return byte
      case CLOSE:
      case CLOSE_BRACE:
        return this.#close(byte)
      case COMMA:
        if (this.#depth > 0) return byte
        this.#begun = false
        return NEWLINE
      case NEWLINE:
      case 13:
        if (this.#depth > 0 || this.#inArray || !this.#begun) return SPACE
        this.#begun = false
        return NEWLINE
      default:
        if (byte !== SPACE && byte !== 9) this.#begun = true
        return byte
    }
  }

  #stringByte(byte: number): number {
    if (this.#escaped) this.#escaped = false
    else if (byte === BACKSLASH) this.#escaped = true
    else if (byte === QUOTE) this.#inString = false
    return byte
  }

  #close(byte: number): number {
    if (this.#depth > 0) {
      this.#depth--
      return byte
    }
    if (byte !== CLOSE || !this.#inArray) throw new SluiceError('JSON_SYNTAX', `A "${String.fromCharCode(byte)}" closes what was never opened.`)
    this.#inArray = false
    this.#begun = false
    return NEWLINE
  }
}
