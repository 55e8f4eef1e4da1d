/**
 * Arrays in which the batches of a round are put one behind the other, to be written at once. A few are kept for the next rounds, of whatever partition: made anew for
 * each of them they would be most of the garbage of a log under load.
 */

/** Bytes of a round at most, so that an acknowledgement never waits for very much else. */
export const ROUND_BYTES = 2 * 1024 * 1024
const KEPT_MAX = 4

const kept: Uint8Array[] = []

/** Calls `use` with the batches joined; the bytes are no longer there once it has settled. A single batch is handed over as it is. */
export async function joined(batches: readonly Uint8Array[], use: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const [first] = batches
  if (batches.length === 1 && first !== undefined) return use(first)
  const length = batches.reduce((sum, batch) => sum + batch.length, 0)
  if (length > ROUND_BYTES) return use(Buffer.concat(batches))
  const buffer = kept.pop() ?? Buffer.allocUnsafeSlow(ROUND_BYTES)
  let at = 0
  for (const batch of batches) {
    buffer.set(batch, at)
    at += batch.length
  }
  try {
    await use(buffer.subarray(0, length))
  } finally {
    if (kept.length < KEPT_MAX) kept.push(buffer)
  }
}
