/** Lines of bytes as events: JSON lines and plain lines. */
import { isAscii, isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import { Event } from '../event.ts'
import type { Slab } from '../event.ts'

export interface DecodeTarget {
  event(event: Event): void
  reject(start: number, end: number, error: unknown): void
}

const NEWLINE = 10
const RETURN = 13

/** Calls back for each line that is not blank, without its line end; `text` is its text, or undefined where it is not UTF-8. */
export function eachLine(slab: Slab, from: number, to: number, line: (start: number, end: number, text: string | undefined) => void): void {
  const { bytes } = slab
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const part = bytes.subarray(from, to)
  // In a slab of ASCII, places in the text are places in the bytes: one conversion serves all lines.
  const whole = isAscii(part) ? buffer.toString('latin1', from, to) : undefined
  const valid = whole !== undefined || isUtf8(part)
  for (let start = from; start < to; ) {
    let newline = bytes.indexOf(NEWLINE, start)
    if (newline < 0 || newline > to) newline = to
    const end = newline > start && bytes[newline - 1] === RETURN ? newline - 1 : newline
    if (end > start) line(start, end, whole !== undefined ? whole.slice(start - from, end - from) : valid || isUtf8(bytes.subarray(start, end)) ? buffer.toString('utf8', start, end) : undefined)
    start = newline + 1
  }
}

/** One JSON value a line. Every line is checked here, so that a broken one is known by its place. */
export function decodeJsonLines(slab: Slab, from: number, to: number, out: DecodeTarget, recordMax = Infinity): void {
  eachLine(slab, from, to, (start, end, text) => {
    if (end - start > recordMax) return out.reject(start, end, tooLong(end - start, recordMax))
    if (text === undefined) return out.reject(start, end, notUtf8())
    const trimmed = text.trim()
    if (trimmed === '') return
    const event = new Event(slab, start, end, text)
    try {
      if (event.value === undefined) return
    } catch (error) {
      return out.reject(start, end, notJson(error))
    }
    out.event(event)
  })
}

/** `{"line": "..."}` for each line. */
export function decodePlainLines(slab: Slab, from: number, to: number, field: string, out: DecodeTarget, recordMax = Infinity): void {
  eachLine(slab, from, to, (start, end, text) => {
    if (end - start > recordMax) return out.reject(start, end, tooLong(end - start, recordMax))
    if (text === undefined) out.reject(start, end, notUtf8())
    else out.event(new Event(slab, start, end, undefined, { [field]: text }))
  })
}

export function notUtf8(): SluiceError {
  return new SluiceError('JSON_ENCODING', 'The record is not UTF-8.')
}

export function notJson(error: unknown): SluiceError {
  return new SluiceError('JSON_SYNTAX', `The record is not JSON: ${error instanceof Error ? error.message : String(error)}`)
}

function tooLong(length: number, most: number): SluiceError {
  return new SluiceError('RECORD_TOO_LONG', `A record of ${length} bytes; ${most} is the most.`)
}
