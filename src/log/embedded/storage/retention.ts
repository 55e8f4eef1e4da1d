/** Which segments retention gives up: whole ones, from the oldest on, never the last. */
import type { Segment } from './segment.ts'

/** For each segment whether all its records are older than `before`, milliseconds since 1970. What damage hides is as old as what follows it: nothing goes on doubt. */
export async function expired(segments: readonly Segment[], before: number): Promise<readonly boolean[]> {
  const times: (number | undefined)[] = []
  for (const segment of segments) times.push(await segment.greatestTime())
  const isOld = (at: number): boolean => {
    if (at >= times.length) return false
    const time = times[at]
    return time === undefined ? isOld(at + 1) : time >= 0 && time < before
  }
  return times.map((_, at) => isOld(at))
}

export interface Limits {
  /** Segments that are too old, by their place. */
  readonly old: readonly boolean[]
  /** Bytes that are kept at least, where there are as many; below 0 all. */
  readonly bytes: number
  /** Nothing from here on is given up. */
  readonly stable: bigint
}

/** The first offset that is kept; undefined where nothing goes. */
export function firstKept(segments: readonly Segment[], { old, bytes: limit, stable }: Limits): bigint | undefined {
  let keep: bigint | undefined
  let bytes = segments.reduce((sum, { length }) => sum + length, 0)
  for (const [at, segment] of segments.entries()) {
    const following = segments[at + 1]?.base
    const isTooMuch = limit >= 0 && bytes - segment.length >= limit
    if (following === undefined || following > stable || !((old[at] ?? false) || isTooMuch)) break
    keep = following
    bytes -= segment.length
  }
  return keep
}
