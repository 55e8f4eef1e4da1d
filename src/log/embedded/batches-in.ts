/** Walks over whole batches, and leaves out those that a committed reader must not see. */
import { SluiceError } from '../../base/index.ts'
import { baseOffsetOf, batchLengthAt, isControl, isTransactional, producerIdOf } from '../batch/index.ts'
import type { AbortedTransaction } from './storage/partition-port.ts'

export function* batchesIn(bytes: Uint8Array): Generator<{ readonly at: number; readonly end: number }, void> {
  for (let at = 0; at < bytes.length; ) {
    const end = endOf(bytes, at)
    yield { at, end }
    at = end
  }
}

function endOf(bytes: Uint8Array, at: number): number {
  const length = batchLengthAt(bytes, at)
  if (length === undefined || at + length > bytes.length) throw new SluiceError('LOG_CORRUPT', `What was read ends within a batch, at byte ${at} of ${bytes.length}.`)
  return at + length
}

/**
 * The batches without control batches and without those of the aborted transactions. Answers the same array where nothing is left out, which is nearly
 * always; the array itself is never changed.
 */
export function visibleBatches(bytes: Uint8Array, aborted: readonly AbortedTransaction[]): Uint8Array {
  let kept: Uint8Array[] | undefined
  let keptFrom = 0
  for (let at = 0; at < bytes.length; ) {
    const end = endOf(bytes, at)
    if (isControl(bytes, at) || (aborted.length > 0 && isAborted(bytes, at, aborted))) {
      kept ??= []
      if (at > keptFrom) kept.push(bytes.subarray(keptFrom, at))
      keptFrom = end
    }
    at = end
  }
  if (kept === undefined) return bytes
  if (keptFrom < bytes.length) kept.push(bytes.subarray(keptFrom))
  return kept.length === 1 && kept[0] !== undefined ? kept[0] : new Uint8Array(Buffer.concat(kept))
}

function isAborted(bytes: Uint8Array, at: number, aborted: readonly AbortedTransaction[]): boolean {
  if (!isTransactional(bytes, at)) return false
  const producerId = producerIdOf(bytes, at)
  const offset = baseOffsetOf(bytes, at)
  return aborted.some(transaction => transaction.producerId === producerId && offset >= transaction.first && offset <= transaction.last)
}
