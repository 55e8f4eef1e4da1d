/**
 * Walks one line of JSON bytes, checks its grammar and reports the wanted fields: the plain JavaScript counterpart of walk.as.ts.
 *
 * It goes byte by byte and keeps no marks. The byte behind the line is a newline, which no token contains, so no loop needs to look at the end.
 */
import { ARRAY, BAD, ESCAPED, FALSE, INEXACT, NULL, NUMBER, OBJECT, OK, SLOW, STRING, TRUE } from '../kernel/columns.ts'
import type { Field } from '../kernel/columns.ts'
import type { PlanEntry, PlanNode } from '../kernel/plan.ts'

const DEPTH_MAX = 63
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const NOT_JSON = -1

interface Entry extends PlanEntry {
  readonly bytes: Uint8Array
  /** Line in which the key was last met. */
  seen: number
}

export class LineReader {
  readonly #bytes: Uint8Array
  readonly #fields: readonly Field[]
  readonly #nodes: readonly (readonly Entry[])[]
  #at = 0
  #row = 0
  #line = 0
  /** Whether the line needs JSON.parse. */
  #slow = false
  /** Whether the string just read had escapes. */
  #escaped = false

  constructor(bytes: Uint8Array, fields: readonly Field[], nodes: readonly PlanNode[]) {
    this.#bytes = bytes
    this.#fields = fields
    this.#nodes = nodes.map((node) => node.map((entry) => ({ ...entry, bytes: Buffer.from(entry.key), seen: 0 })))
  }

  /** Reads the line that starts at `start` and has a newline at `end`, and answers its status. */
  read(start: number, end: number, row: number): number {
    this.#at = start
    this.#row = row
    this.#line++
    this.#slow = false
    this.#skipSpace()
    if (this.#bytes[this.#at] !== 0x7b || !this.#value(undefined, 0, 0)) return this.#slow && this.#at === NOT_JSON ? SLOW : BAD
    this.#skipSpace()
    return this.#at !== end ? BAD : this.#slow ? SLOW : OK
  }

  #skipSpace(): void {
    for (let byte = this.#bytes[this.#at]; byte === 32 || byte === 9 || byte === 13; byte = this.#bytes[this.#at]) this.#at++
  }

  /** Reads a value; false where there is none. `node` is the node of the keys wanted inside, or -1. */
  #value(field: Field | undefined, node: number, depth: number): boolean {
    const start = this.#at
    switch (this.#bytes[start]) {
      case 0x22:
        if (!this.#string()) return false
        this.#put(field, this.#escaped ? ESCAPED : STRING, start)
        return true
      case 0x7b:
      case 0x5b: {
        if (depth === DEPTH_MAX) {
          // Given up: whether the line is JSON is left open.
          this.#slow = true
          this.#at = NOT_JSON
          return false
        }
        const isObject = this.#bytes[start] === 0x7b
        if (!(isObject ? this.#object(node, depth + 1) : this.#array(depth + 1))) return false
        this.#put(field, isObject ? OBJECT : ARRAY, start)
        return true
      }
      case 0x74:
        return this.#word('true', field, TRUE)
      case 0x66:
        return this.#word('false', field, FALSE)
      case 0x6e:
        return this.#word('null', field, NULL)
      default:
        return this.#number(field)
    }
  }

  #put(field: Field | undefined, kind: number, start: number): void {
    if (field === undefined) return
    field.kind[this.#row] = kind
    field.start[this.#row] = start
    field.end[this.#row] = this.#at
  }

  #word(word: string, field: Field | undefined, kind: number): boolean {
    const start = this.#at
    for (let index = 0; index < word.length; index++) if (this.#bytes[start + index] !== word.charCodeAt(index)) return false
    this.#at += word.length
    this.#put(field, kind, start)
    return true
  }

  #object(node: number, depth: number): boolean {
    this.#at++
    this.#skipSpace()
    if (this.#bytes[this.#at] === 0x7d) {
      this.#at++
      return true
    }
    for (;;) {
      const start = this.#at
      if (this.#bytes[start] !== 0x22 || !this.#string()) return false
      const entry = node < 0 ? undefined : this.#entry(this.#nodes[node] ?? [], start + 1, this.#at - 1)
      this.#skipSpace()
      if (this.#bytes[this.#at] !== 0x3a) return false
      this.#at++
      this.#skipSpace()
      if (!this.#value(entry === undefined || entry.field < 0 ? undefined : this.#fields[entry.field], entry?.child ?? -1, depth)) return false
      const more = this.#next(0x7d)
      if (more !== true) return more === undefined
    }
  }

  #array(depth: number): boolean {
    this.#at++
    this.#skipSpace()
    if (this.#bytes[this.#at] === 0x5d) {
      this.#at++
      return true
    }
    for (;;) {
      if (!this.#value(undefined, -1, depth)) return false
      const more = this.#next(0x5d)
      if (more !== true) return more === undefined
    }
  }

  /** Behind a value: true behind a comma, undefined behind the closing bracket, false where neither comes. */
  #next(close: number): boolean | undefined {
    this.#skipSpace()
    const byte = this.#bytes[this.#at++]
    if (byte === close) return undefined
    if (byte !== 0x2c) return false
    this.#skipSpace()
    return true
  }

  /** The wanted key from `start` to `end`, if it is one. Keys with escapes, and repeated wanted keys, make the line slow. */
  #entry(node: readonly Entry[], start: number, end: number): Entry | undefined {
    if (this.#escaped) this.#slow = true
    for (const entry of node) {
      if (entry.bytes.length !== end - start) continue
      let at = 0
      while (at < entry.bytes.length && entry.bytes[at] === this.#bytes[start + at]) at++
      if (at < entry.bytes.length) continue
      if (entry.seen === this.#line) this.#slow = true
      entry.seen = this.#line
      return entry
    }
    return undefined
  }

  /** Reads the string at the quote. */
  #string(): boolean {
    const bytes = this.#bytes
    let at = this.#at + 1
    this.#escaped = false
    for (;;) {
      const byte = bytes[at] ?? 0
      if (byte < 32) return false
      at++
      if (byte === 0x22) break
      if (byte !== 0x5c) continue
      this.#escaped = true
      const length = escapeLength(bytes, at)
      if (length === 0) return false
      at += length
    }
    this.#at = at
    return true
  }

  #digits(): number {
    const start = this.#at
    for (let byte = this.#bytes[start] ?? 0; byte >= 48 && byte <= 57; byte = this.#bytes[this.#at] ?? 0) this.#at++
    return this.#at - start
  }

  #number(field: Field | undefined): boolean {
    const bytes = this.#bytes
    const start = this.#at
    if (bytes[start] === 0x2d) this.#at++
    const first = this.#at
    const whole = this.#digits()
    if (whole === 0 || (whole > 1 && bytes[first] === 48)) return false
    if (bytes[this.#at] === 0x2e) {
      this.#at++
      if (this.#digits() === 0) return false
    }
    if (bytes[this.#at] === 0x65 || bytes[this.#at] === 0x45) {
      this.#at++
      if (bytes[this.#at] === 0x2b || bytes[this.#at] === 0x2d) this.#at++
      if (this.#digits() === 0) return false
    }
    if (field === undefined) return true
    const value = exactNumber(bytes, start, this.#at)
    field.number[this.#row] = value ?? 0
    this.#put(field, value === undefined ? INEXACT : NUMBER, start)
    return true
  }
}

/** Bytes of the escape behind a backslash; 0 where there is none. */
function escapeLength(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] ?? 0
  if (byte !== 0x75) return '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0
  for (let index = 1; index <= 4; index++) if (!/^[\da-f]$/i.test(String.fromCharCode(bytes[at + index] ?? 0))) return 0
  return 5
}

/** The number's value where one rounding yields it (see token.as.ts), else undefined. */
function exactNumber(bytes: Uint8Array, start: number, end: number): number | undefined {
  let digits = 0
  let count = 0
  let scale = 0
  let isFraction = false
  let exponent = 0
  let at = start
  if (bytes[at] === 0x2d) at++
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === 0x2e) {
      isFraction = true
    } else if (byte > 57) {
      exponent = Math.max(-10000, Math.min(10000, Number(Buffer.from(bytes.subarray(at + 1, end)).toString('latin1'))))
      break
    } else {
      digits = digits * 10 + byte - 48
      count++
      if (isFraction) scale++
    }
  }
  const power = exponent - scale
  if (count > 19 || digits > Number.MAX_SAFE_INTEGER || power < -22 || power > 22) return undefined
  const value = power < 0 ? digits / (POWERS_OF_TEN[-power] ?? 1) : digits * (POWERS_OF_TEN[power] ?? 1)
  return bytes[start] === 0x2d ? -value : value
}
