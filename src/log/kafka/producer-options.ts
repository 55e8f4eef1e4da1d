/** Settings of a producer with their defaults and bounds, and what a record counts for in its buffer. */
import { SluiceError } from '../../base/index.ts'
import { TIMEOUT_DEFAULT } from '../embedded/calls.ts'
import type { Compression, ProducerOptions, ProducerRecord } from '../log.ts'

/** What a record takes in a batch besides its parts, at most. */
const RECORD_BYTES = 32
const HEADER_BYTES = 10
export interface CheckedOptions {
  readonly partitioner: ProducerOptions['partitioner']
  readonly compression: Compression
  readonly linger: number
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly idempotent: boolean
  readonly deliveryTimeout: number
  readonly transactionalId: string | undefined
  readonly transactionTimeout: number
  readonly whileAway: ProducerOptions['whileAway']
}

/** LOG_SETTING for a number that is not possible. */
export function checkedOptions({ partitioner, compression = 'none', linger = 0, batchBytes = 64 << 10, bufferBytes = 32 << 20, idempotent = true, deliveryTimeout = TIMEOUT_DEFAULT, transactionalId, transactionTimeout = 60_000, whileAway }: ProducerOptions): CheckedOptions {
  checkNumber('linger', linger, 0, 60_000)
  checkNumber('batchBytes', batchBytes, 1, 128 << 20)
  checkNumber('bufferBytes', bufferBytes, 1, Number.MAX_SAFE_INTEGER)
  if (deliveryTimeout !== Infinity) checkNumber('deliveryTimeout', deliveryTimeout, 1, 2 ** 31 - 1)
  checkNumber('transactionTimeout', transactionTimeout, 1, 2 ** 31 - 1)
  return { partitioner, compression, linger, batchBytes, bufferBytes, idempotent, deliveryTimeout, transactionalId, transactionTimeout, whileAway }
}

/** Bytes of a record in a batch at most, before compression. */
export function sizeOf({ key, value, headers }: ProducerRecord): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  if (headers === undefined) return bytes
  for (const [name, content] of headers) bytes += HEADER_BYTES + Buffer.byteLength(name) + (content?.length ?? 0)
  return bytes
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isFinite(value) && value >= least && value <= most) return
  throw new SluiceError('LOG_SETTING', `${name}: ${value} is not possible: from ${least} to ${most}.`)
}
