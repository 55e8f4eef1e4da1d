/**
 * Events, their codecs, and the scan of JSON bytes into columns.
 *
 * Owns: the meaning of an event's text, how bytes become events and events bytes. Pure functions over bytes and arrays.
 * Never here: files, network, clocks, threads, config.
 */
export { Event } from './event.ts'
export type { JsonValue, Slab } from './event.ts'
export { LineFramer, REJECT_KEEP } from './codecs/line-framer.ts'
export type { FramedSlab } from './codecs/line-framer.ts'
export { decodeJsonLines, decodePlainLines, notJson } from './codecs/lines.ts'
export type { DecodeTarget } from './codecs/lines.ts'
export { JsonArrayCutter } from './codecs/json-array.ts'
export { csvField, decodeCsv, encodeCsv, parseRecord } from './codecs/csv.ts'
export type { ColumnType, CsvOptions } from './codecs/csv.ts'
export * from './json/index.ts'
