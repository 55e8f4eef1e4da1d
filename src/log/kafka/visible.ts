/**
 * What a reader may see of the bytes that a broker answered: whole batches, checked; without control batches; without batches of aborted transactions.
 *
 * A broker cuts its answer at a number of bytes, so the last batch may be torn: it comes again with the next answer. Which transactions were aborted the broker
 * tells as a list (producer, first offset), in the order of the offsets; each one ends with its control batch.
 */
import { SluiceError } from '../../base/index.ts'
import { checkBatch, isControl, isTransactional, lastOffsetOf, producerIdOf } from '../batch/index.ts'
import type { TopicPartition } from '../log.ts'
import type { AbortedFrom } from './fetch.ts'

export interface Visible {
  readonly bytes: Uint8Array
  /** Behind the last whole batch, seen or not; the place that was asked for where there is none. */
  readonly next: bigint
}

const byFirst = (a: AbortedFrom, b: AbortedFrom): number => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0)

/** LOG_CORRUPT, naming partition and byte, where a batch is damaged. */
export function visibleIn(bytes: Uint8Array, from: bigint, aborted: readonly AbortedFrom[], at: TopicPartition): Visible {
  const pending = aborted.length > 1 ? [...aborted].sort(byFirst) : aborted
  let nextPending = 0
  const open = new Set<bigint>()
  const kept: Uint8Array[] = []
  let keptFrom = 0
  let next = from
  let place = 0
  while (place < bytes.length) {
    const whole = checkBatch(bytes, place)
    if (!whole.ok) {
      if (whole.torn) break
      throw new SluiceError('LOG_CORRUPT', `"${at.topic}" partition ${at.partition}: the batch at byte ${place} of an answer from offset ${from} on is damaged: ${whole.reason}.`)
    }
    const last = lastOffsetOf(bytes, place)
    for (let entry = pending[nextPending]; entry !== undefined && entry.first <= last; entry = pending[nextPending]) {
      open.add(entry.producerId)
      nextPending++
    }
    const end = place + whole.length
    const isMarker = isControl(bytes, place)
    // The transaction of this producer ends with its marker, whatever it says: a later one of the same producer is another entry of the list.
    if (isMarker) open.delete(producerIdOf(bytes, place))
    // A compacted answer may begin with batches that end before the place that was asked for.
    const isHidden = isMarker || last < from || (open.size > 0 && isTransactional(bytes, place) && open.has(producerIdOf(bytes, place)))
    if (isHidden) {
      if (place > keptFrom) kept.push(bytes.subarray(keptFrom, place))
      keptFrom = end
    }
    if (last >= next) next = last + 1n
    place = end
  }
  if (place > keptFrom) kept.push(bytes.subarray(keptFrom, place))
  const [only = new Uint8Array(0)] = kept
  return { bytes: kept.length > 1 ? Buffer.concat(kept) : only, next }
}
