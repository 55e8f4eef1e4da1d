/**
 * Events, their codecs, and the scan of JSON bytes into columns.
 *
 * Owns: the meaning of an event's text, how bytes become events and events bytes. Pure functions over bytes and arrays.
 * Never here: files, network, clocks, threads, config.
 */
export { Event } from './event.ts'
export type { JsonValue, Slab } from './event.ts'
