/** Figures of the last minute, and what can be told from two moments of them: rates, shares, percentiles. */
import { percentile } from '../../observe/index.ts'
import type { Figures, Histogram } from '../../observe/index.ts'

const KEPT = 240

interface Sample {
  /** Milliseconds on a clock that only goes forward. */
  readonly at: number
  readonly figures: Figures
}

/** What a component's counter is, by the kind of the component and its id. */
export type Counter = (figures: Figures) => number | undefined

export class History {
  readonly #samples: Sample[] = []

  add(at: number, figures: Figures): void {
    // Another run, at the same address.
    if (figures.seconds < (this.last?.seconds ?? 0)) this.#samples.length = 0
    this.#samples.push({ at, figures })
    if (this.#samples.length > KEPT) this.#samples.shift()
  }

  get last(): Figures | undefined {
    return this.#samples.at(-1)?.figures
  }

  /** Figures of about so many seconds ago; the first ones where there are none as old. Undefined where there is but one moment: then all since the start is what is known. */
  ago(seconds: number): Figures | undefined {
    const last = this.#samples.at(-1)
    if (last === undefined || this.#samples.length === 1) return undefined
    return (this.#samples.findLast(({ at }) => at <= last.at - seconds * 1000) ?? this.#samples[0])?.figures
  }

  /** How fast a counter grew over the last seconds. */
  rate(of: Counter, seconds = 2): number {
    const [now, before] = [this.last, this.ago(seconds)]
    return now === undefined || before === undefined ? 0 : growth(now, before, of)
  }

  /** How fast it grew, for each of the last `count` moments. */
  rates(of: Counter, count: number): number[] {
    const samples = this.#samples.slice(-count - 1)
    return samples.slice(1).map(({ figures }, at) => growth(figures, (samples[at] as Sample).figures, of)) // One before each.
  }

  /** The value that this share of the batches of the last seconds stayed below; undefined where there were none. */
  latency(share: number, of: (figures: Figures) => Histogram | undefined = figures => figures.latency, seconds = 10): number | undefined {
    const [now, before] = [this.last, this.ago(seconds)]
    const histogram = now === undefined ? undefined : of(now)
    return histogram === undefined ? undefined : percentile(histogram, share, before === undefined || before === now ? undefined : of(before))
  }
}

function growth(now: Figures, before: Figures, of: Counter): number {
  const seconds = now.seconds - before.seconds
  return seconds > 0 ? ((of(now) ?? 0) - (of(before) ?? 0)) / seconds : 0
}
