/** CSV and TSV: RFC 4180, with a choice of delimiter and quote. Records become objects by the header. */
import { SluiceError } from '../../base/index.ts'
import { Event } from '../event.ts'
import type { JsonValue, Slab } from '../event.ts'
import { notUtf8 } from './lines.ts'
import type { DecodeTarget } from './lines.ts'
import { isUtf8 } from 'node:buffer'

export type ColumnType = 'string' | 'number' | 'integer' | 'boolean' | 'json'
export interface CsvOptions {
  /** One character each. */
  readonly delimiter: string
  readonly quote: string
  readonly types: Readonly<Record<string, ColumnType>>
  /** Text that stands for null. */
  readonly nulls: readonly string[]
}

/** The fields of one record, from `from` up to its line end. */
export function parseRecord(text: string, from: number, options: Pick<CsvOptions, 'delimiter' | 'quote'>): { fields: string[]; end: number } {
  const { delimiter, quote } = options
  const fields: string[] = []
  let at = from
  for (;;) {
    if (text[at] === quote) {
      const quoted = quotedField(text, at, quote)
      fields.push(quoted.field)
      at = quoted.end
      if (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') throw new SluiceError('CSV_SYNTAX', `Field ${fields.length} has text behind its closing quote.`)
    } else {
      let end = at
      while (end < text.length && text[end] !== delimiter && text[end] !== '\n') end++
      const stop = text[end] === '\n' && text[end - 1] === '\r' && end > at ? end - 1 : end
      fields.push(text.slice(at, stop))
      at = end
    }
    if (text[at] === '\r') at++
    if (text[at] !== delimiter) return { fields, end: at + 1 }
    at++
  }
}

function quotedField(text: string, from: number, quote: string): { field: string; end: number } {
  let field = ''
  let at = from + 1
  for (;;) {
    const close = text.indexOf(quote, at)
    if (close < 0) throw new SluiceError('CSV_SYNTAX', 'A quoted field is not closed.')
    field += text.slice(at, close)
    if (text[close + 1] !== quote) return { field, end: close + 1 }
    field += quote
    at = close + 2
  }
}

/** Turns the records of a slab into events. */
export function decodeCsv(slab: Slab, from: number, to: number, header: readonly string[], options: CsvOptions, out: DecodeTarget): void {
  const buffer = Buffer.from(slab.bytes.buffer, slab.bytes.byteOffset, slab.bytes.byteLength)
  const quote = options.quote.charCodeAt(0)
  for (let start = from; start < to; ) {
    const end = recordEnd(slab.bytes, start, to, quote)
    const stop = end > start && slab.bytes[end - 1] === 10 ? (slab.bytes[end - 2] === 13 && end - 2 >= start ? end - 2 : end - 1) : end
    if (stop > start) decodeOne(slab, start, stop, isUtf8(slab.bytes.subarray(start, stop)) ? buffer.toString('utf8', start, stop) : undefined, header, options, out)
    start = end
  }
}

function decodeOne(slab: Slab, start: number, end: number, text: string | undefined, header: readonly string[], options: CsvOptions, out: DecodeTarget): void {
  if (text === undefined) return out.reject(start, end, notUtf8())
  try {
    const { fields } = parseRecord(text, 0, options)
    if (fields.length !== header.length) throw new SluiceError('CSV_SYNTAX', `The record has ${fields.length} fields; the header has ${header.length}.`)
    const value: Record<string, JsonValue> = {}
    for (let at = 0; at < header.length; at++) {
      const name = header[at] ?? ''
      Object.defineProperty(value, name, { value: convert(fields[at] ?? '', name, options), enumerable: true, writable: true, configurable: true })
    }
    out.event(new Event(slab, start, end, undefined, value))
  } catch (error) {
    out.reject(start, end, error)
  }
}

/** Behind the line end of the record that starts at `start`. */
function recordEnd(bytes: Uint8Array, start: number, to: number, quote: number): number {
  let inQuotes = false
  for (let at = start; at < to; at++) {
    if (bytes[at] === quote) inQuotes = !inQuotes
    else if (bytes[at] === 10 && !inQuotes) return at + 1
  }
  return to
}

function convert(text: string, name: string, options: CsvOptions): JsonValue {
  if (options.nulls.includes(text)) return null
  const type = Object.hasOwn(options.types, name) ? options.types[name] : 'string'
  switch (type) {
    case 'number':
    case 'integer': {
      const number = text.trim() === '' ? Number.NaN : Number(text)
      if (!Number.isFinite(number) || (type === 'integer' && !Number.isInteger(number))) throw new SluiceError('CSV_SYNTAX', `Column "${name}": ${JSON.stringify(text)} is not a ${type}.`)
      return number
    }
    case 'boolean':
      if (/^(?:true|yes|1)$/i.test(text)) return true
      if (/^(?:false|no|0)$/i.test(text)) return false
      throw new SluiceError('CSV_SYNTAX', `Column "${name}": ${JSON.stringify(text)} is neither true nor false.`)
    case 'json':
      try {
        return JSON.parse(text) as JsonValue // JSON.parse yields nothing else.
      } catch {
        throw new SluiceError('CSV_SYNTAX', `Column "${name}" does not hold JSON.`)
      }
    default:
      return text
  }
}

/** One record as CSV, with its line end. */
export function encodeCsv(value: JsonValue, columns: readonly string[], options: Pick<CsvOptions, 'delimiter' | 'quote'>): string {
  const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>) : {} // An object that is no array.
  return `${columns.map(column => csvField(Object.hasOwn(object, column) ? object[column] : undefined, options)).join(options.delimiter)}\n`
}

export function csvField(value: JsonValue | undefined, { delimiter, quote }: Pick<CsvOptions, 'delimiter' | 'quote'>): string {
  const text = value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
  if (!text.includes(delimiter) && !text.includes(quote) && !/[\r\n]/.test(text)) return text
  return `${quote}${text.replaceAll(quote, quote + quote)}${quote}`
}
