/** What is told of a result: a message whose bytes and id follow from the result alone, so that one that is told again is the same and can be dropped. */
import { createHash } from 'node:crypto'
import type { JsonValue } from '../../event/index.ts'

/** An object that is complete. Plain JSON: checkpoints keep it until it is told. */
export interface Written {
  readonly key: string
  readonly events: number
  readonly bytes: number
  /** Of the object's bytes; not known of one that was made while nobody was to be told of it. */
  readonly sha256: string | undefined
  /** Milliseconds since 1970 when it was ended. */
  readonly time: number
  /** Which input it was made of. */
  readonly input: readonly JsonValue[]
}

export interface Notice {
  readonly id: string
  /** JSON: `{ id, type, timestamp, data }`. */
  readonly body: string
}

/** Hexadecimal digits of an id: 128 bits. */
const ID_DIGITS = 32

export function noticeOf(bucket: string, { key, events, bytes, sha256, time, input }: Written): Notice {
  const id = `obj_${createHash('sha256').update(JSON.stringify([bucket, key, input])).digest('hex').slice(0, ID_DIGITS)}`
  const timestamp = new Date(time).toISOString()
  const data = { bucket, key, records: events, bytes, sha256, ...offsetsOf(input), time: timestamp, input }
  return { id, body: JSON.stringify({ id, type: 'object.complete', timestamp, data }) }
}

/** First and last offset, where the records came from one place that has them; else `input` tells them for each. */
function offsetsOf(input: readonly JsonValue[]): { readonly first_offset?: number; readonly last_offset?: number } {
  const [only, ...more] = input
  if (more.length > 0 || typeof only !== 'object' || only === null || !('first' in only && 'last' in only)) return {}
  const { first, last } = only
  return typeof first === 'number' && typeof last === 'number' ? { first_offset: first, last_offset: last } : {}
}
