/** Reads batches from one segment, each checked before it is handed out: its checksum, and its offset, which the checksum does not cover. */
import { baseOffsetOf, checkBatch, lastOffsetOf } from '../../batch/index.ts'
import type { Segment } from './segment.ts'

/** Bytes that are read ahead where little is asked for. */
const READ_MIN = 16 * 1024

export interface Asked {
  readonly from: bigint
  readonly maxBytes: number
  /** Nothing from here on. */
  readonly until: bigint
  /** True where offsets may be missing between batches, as compaction by others leaves them. */
  readonly gaps: boolean
  readonly warn: (message: string) => void
}

/** Whole batches from the one on that holds `from`, at least one if there is one; `next` is the offset behind them, or behind damage that was stepped over. */
export async function readSegment(segment: Segment, asked: Asked): Promise<{ readonly bytes: Uint8Array; readonly next: bigint }> {
  const { from, maxBytes, until } = asked
  const { length } = segment
  // `expected` begins at `at`: the checksum does not cover offsets, their order does.
  let { at, offset: expected } = await segment.placeOf(from)
  let next = from
  while (at < length) {
    const hole = segment.holes.find(one => one.at <= at && at < one.next)
    if (hole !== undefined) {
      at = hole.next
      expected = hole.to + 1n
      if (expected > next) next = expected
      continue
    }
    const wanted = Math.min(Math.max(maxBytes, READ_MIN), length - at)
    let bytes = await segment.bytesAt(at, wanted)
    let check = checkBatch(bytes)
    if (!check.ok && check.torn && wanted < length - at) {
      bytes = await segment.bytesAt(at, Math.min(length - at, Math.max(wanted * 2, announced(bytes))))
      check = checkBatch(bytes)
    }
    const reason = check.ok ? outOfRow(baseOffsetOf(bytes), expected, asked.gaps) : check.reason
    if (reason !== undefined) {
      await dig(segment, at, expected, reason, asked.warn)
      continue
    }
    const start = at
    const part = slice(bytes, from, maxBytes, until, (byte, offset, before) => segment.holes.some(one => one.at === start + byte) || (byte > 0 && outOfRow(offset, before, asked.gaps) !== undefined))
    if (part.to > part.from) return { bytes: bytes.subarray(part.from, part.to), next: part.next }
    if (part.stopped || part.to === 0) return { bytes: new Uint8Array(0), next }
    at += part.to
    expected = part.behind
  }
  return { bytes: new Uint8Array(0), next }
}

function outOfRow(offset: bigint, expected: bigint, gaps: boolean): string | undefined {
  if (offset === expected || (offset > expected && gaps)) return undefined
  return `its offset is ${offset} and not ${expected}`
}

/** Bytes that a batch says it has. */
function announced(bytes: Uint8Array): number {
  return bytes.length < 12 ? 0 : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readInt32BE(8) + 12
}

/** A batch does not check: what is damaged is looked for, noted and told; the rest stays readable. */
async function dig(segment: Segment, at: number, next: bigint, reason: string, warn: (message: string) => void): Promise<void> {
  const whole = await segment.nextWhole(at + 1, segment.length, next)
  const to = (whole?.offset ?? segment.next) - 1n
  segment.holes.push({ at, next: whole?.at ?? segment.length, from: next, to: to < next ? next : to })
  warn(`${segment.path}: the batch at byte ${at} is damaged (${reason}); the offsets ${next} to ${to} are not served. Nothing was deleted.`)
}

/** Which of the batches in `bytes` are to be handed out: from the one that holds `from`, below `until`, at least one, else at most `maxBytes`. */
function slice(
  bytes: Uint8Array,
  from: bigint,
  maxBytes: number,
  until: bigint,
  isHole: (at: number, offset: bigint, expected: bigint) => boolean,
): { readonly from: number; readonly to: number; readonly next: bigint; readonly behind: bigint; readonly stopped: boolean } {
  let begin = 0
  let at = 0
  let next = from
  let behind = baseOffsetOf(bytes)
  for (;;) {
    const check = checkBatch(bytes, at)
    if (!check.ok || isHole(at, baseOffsetOf(bytes, at), behind)) break
    behind = lastOffsetOf(bytes, at) + 1n
    const last = lastOffsetOf(bytes, at)
    if (last < from) {
      at += check.length
      begin = at
      continue
    }
    if (last >= until) return { from: begin, to: at, next, behind, stopped: true }
    if (at > begin && at + check.length - begin > maxBytes) break
    at += check.length
    next = last + 1n
  }
  return { from: begin, to: at, next, behind, stopped: false }
}
