/**
 * Counts values by size, in buckets that never change: adding one costs a search over some twenty bounds and no memory, so it may be done for each batch, and never for
 * an event. What is in a bucket is known by its bounds alone; a percentile is a straight line between them.
 */
import type { Histogram } from './figures.ts'

/** Seconds that a batch may lie in a stage: from one that is hardly noticed to one that waits for a minute. */
export const STAGE_SECONDS: readonly number[] = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]
/** Seconds until a batch, or a write, is done. */
export const LATENCY_SECONDS: readonly number[] = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** Seconds since an event came to be known anywhere: a log may be read days later. */
export const AGE_SECONDS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400, 604_800]
export const BATCH_EVENTS: readonly number[] = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000]
export const BATCH_BYTES: readonly number[] = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]

export class Distribution {
  readonly #bounds: readonly number[]
  /** Per bucket; the last one is for what lies above all bounds. */
  readonly #counts: Float64Array
  #count = 0
  #sum = 0

  /** `bounds`: rising. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** Notes a value, `times` over. */
  add(value: number, times = 1): void {
    const bounds = this.#bounds
    let low = 0
    for (let high = bounds.length; low < high; ) {
      const middle = (low + high) >> 1
      if (value <= (bounds[middle] ?? Infinity)) high = middle
      else low = middle + 1
    }
    this.#counts[low] = (this.#counts[low] ?? 0) + times
    this.#count += times
    this.#sum += value * times
  }

  get figures(): Histogram {
    let upTo = 0
    return histogramOf(this.#bounds, Array.from(this.#bounds, (_, at) => (upTo += this.#counts[at] ?? 0)), this.#count, this.#sum)
  }
}

/** Histograms with the same bounds, as one. */
export function together(a: Histogram, b: Histogram): Histogram {
  return histogramOf(a.bounds, a.counts.map((count, at) => count + (b.counts[at] ?? 0)), a.count + b.count, a.sum + b.sum)
}

function histogramOf(bounds: readonly number[], counts: readonly number[], count: number, sum: number): Histogram {
  const made = { bounds, counts, count, sum }
  const most = bounds.at(-1) ?? 0
  const at = (share: number): number | undefined => {
    const found = percentile(made, share)
    return found === undefined ? undefined : Math.min(found, most)
  }
  return { ...made, p50: at(0.5), p99: at(0.99) }
}

type Counted = Omit<Histogram, 'p50' | 'p99'>

/** The value that this share of the values stays below; Infinity where it lies above all bounds, undefined without values. `before`: counts only what came since. */
export function percentile(now: Counted, share: number, before?: Counted): number | undefined {
  const count = now.count - (before?.count ?? 0)
  if (count <= 0) return undefined
  const upTo = (at: number): number => (at < 0 ? 0 : (now.counts[at] ?? 0) - (before?.counts[at] ?? 0))
  const at = now.bounds.findIndex((_, index) => upTo(index) >= share * count)
  if (at < 0) return Infinity
  const [below, low, high] = [upTo(at - 1), now.bounds[at - 1] ?? 0, now.bounds[at] ?? 0]
  const inside = upTo(at) - below
  return inside <= 0 ? high : low + ((high - low) * (share * count - below)) / inside
}
