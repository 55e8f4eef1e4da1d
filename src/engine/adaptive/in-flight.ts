/**
 * How many requests may be under way to one server (`concurrency: auto`): additive increase, multiplicative decrease, by round-trip times and refusals.
 *
 * Requests that end are gathered into windows, each about one round trip long. At the end of a window:
 *
 *     refused   the server refused (429, 503, a timeout)          times REFUSED; what was refused is a ceiling, which is tried again only after CEILING_WINDOWS windows
 *     slow      the mean is beyond SLOW times the shortest one     times SLOWER
 *     full      all that may be under way was, and it was not slow plus one; times STARTING until the first sign of a limit
 *     else      nothing: who does not use the limit learns nothing about it
 *
 * Why twice the shortest time (SLOW = 2): where requests share a server, throughput over delay is greatest at the load at which the delay has doubled (Kleinrock, "Power and
 * deterministic rules of thumb for probabilistic problems in computer communications", ICC 1979). Beyond it more requests mostly wait for each other. What round trips
 * differ by themselves (their mean deviation) is added, so that jitter does not look like a queue.
 *
 * The shortest time is not forgotten with age: a limit that creeps up with a queue that it made itself would never come down. It gives way only where falling to half made
 * nothing faster: then the length is not ours (a longer way, larger requests), and what is measured becomes the shortest time.
 *
 * Pure: time comes in with every call, and nothing is armed. Cost: O(1) for each request. One limit belongs to one sink, or to one stage on one worker.
 */

export interface InFlightLimits {
  readonly least: number
  readonly most: number
}

export type Outcome =
  /** Answered. */
  | 'done'
  /** The other side could not take it now. */
  | 'refused'
  /** Says nothing of the server: it failed by itself, or was answered from memory. */
  | 'none'

/** What a window ended with. */
export interface InFlightStep {
  readonly limit: number
  readonly why: string
  /** Milliseconds: mean of the window, and the shortest one that is known. */
  readonly rtt: number
  readonly shortest: number
}

const REFUSED = 0.7
/** A smaller share is chance: a request now and then that a network loses. */
const REFUSED_SHARE = 0.03
const SLOW = 2
const SLOWER = 0.85
const STARTING = 1.5
/** Jitter counts so many mean deviations. */
const DEVIATIONS = 1
/** How fast the deviation follows. */
const FOLLOW = 0.2
const CEILING_WINDOWS = 30
/** Milliseconds: shorter windows would hold one request each. */
const WINDOW_LEAST = 5
/** Below this a change of the mean is no change. */
const SAME = 0.9

export class InFlightLimit {
  readonly #limits: InFlightLimits
  #limit: number
  #inFlight = 0
  #isStarting = true
  /** Of the window. */
  #began = 0
  #sum = 0
  #count = 0
  #refused = 0
  #wasFull = false
  /** Milliseconds until a refusal was known; long where it is a timeout. */
  #refusedAfter = 0
  #refusalMs = 0
  #roseAt = -Infinity
  /** Over all windows. */
  #shortest: number | undefined
  #deviation = 0
  #rtt = 0
  #fellAt = -Infinity
  #ceiling: { readonly limit: number; left: number } | undefined
  #wasSlow = false
  /** Where a fall because of slowness began. */
  #fall: { readonly limit: number; readonly rtt: number } | undefined

  constructor(limits: InFlightLimits) {
    this.#limits = limits
    this.#limit = limits.least
  }

  /** Requests that may be under way. */
  get limit(): number {
    return Math.floor(this.#limit)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Milliseconds: mean of the last window. */
  get rtt(): number {
    return this.#rtt
  }

  get hasRoom(): boolean {
    return this.#inFlight < this.limit
  }

  begin(at: number): void {
    if (this.#count + this.#refused + this.#inFlight === 0) this.#began = at
    this.#inFlight++
    if (!this.hasRoom) this.#wasFull = true
  }

  /** A request ends, `ms` after it began; one that began before the limit fell the last time says nothing of what it is now. Answers the step where that ends a window and changes the limit. */
  end(at: number, ms: number, outcome: Outcome): InFlightStep | undefined {
    this.#inFlight--
    const isOld = at - ms < this.#fellAt
    if (isOld && outcome !== 'none') return undefined
    if (outcome === 'refused') {
      this.#refused++
      this.#refusalMs = Math.max(ms, this.#refused === 1 ? 0 : this.#refusalMs)
    }
    if (outcome === 'done') {
      this.#count++
      this.#sum += ms
      this.#deviation += FOLLOW * (Math.abs(ms - (this.#rtt === 0 ? ms : this.#rtt)) - this.#deviation)
    }
    const length = Math.max(WINDOW_LEAST, this.#count > 0 ? this.#sum / this.#count : ms)
    // A refusal is news enough; everything else waits until a round trip has passed since the last change.
    if (at - this.#began < length || this.#count + this.#refused === 0) return undefined
    return this.#window(at)
  }

  #window(at: number): InFlightStep | undefined {
    const before = this.limit
    if (this.#count > 0) this.#rtt = this.#sum / this.#count
    const rtt = this.#rtt
    if (this.#count > 0) this.#shortest = Math.min(this.#shortest ?? rtt, rtt)
    const why = this.#decide(at, rtt)
    if (this.limit < before) this.#fellAt = at
    if (this.limit > before) this.#roseAt = at
    if (this.#ceiling !== undefined && --this.#ceiling.left <= 0) this.#ceiling = undefined
    this.#began = at
    this.#sum = this.#count = this.#refused = 0
    this.#wasFull = !this.hasRoom
    return this.limit === before ? undefined : { limit: this.limit, why, rtt, shortest: this.#shortest ?? rtt }
  }

  #decide(at: number, rtt: number): string {
    const shortest = this.#shortest ?? rtt
    if (this.#refused > REFUSED_SHARE * (this.#count + this.#refused)) {
      this.#refusedAfter = this.#refusalMs
      this.#ceiling = { limit: this.#limit, left: CEILING_WINDOWS }
      this.#fall = undefined
      this.#to(this.#limit * REFUSED)
      return `${this.#refused} of ${this.#count + this.#refused} requests were refused`
    }
    if (rtt > SLOW * shortest + DEVIATIONS * this.#deviation) {
      // One window alone may be chance.
      const isSure = this.#wasSlow
      this.#wasSlow = true
      return isSure ? this.#slow(rtt, shortest) : ''
    }
    this.#wasSlow = false
    this.#fall = undefined
    // What the last step up led to must be known before the next one.
    if (!this.#wasFull || at - this.#roseAt < this.#refusedAfter) return ''
    const wanted = this.#isStarting ? this.#limit * STARTING : this.#limit + 1
    this.#to(wanted, this.#ceiling === undefined ? Infinity : Math.max(1, this.#ceiling.limit - 1), true)
    return `all of ${this.limit} were under way, and answers took ${milliseconds(rtt)}`
  }

  #slow(rtt: number, shortest: number): string {
    this.#fall ??= { limit: this.#limit, rtt }
    const isFarDown = this.#limit <= Math.max(this.#limits.least, this.#fall.limit / 2)
    if (isFarDown && rtt > SAME * this.#fall.rtt) {
      this.#shortest = rtt
      this.#fall = undefined
      this.#isStarting = true
      return `fewer requests made answers no faster than ${milliseconds(rtt)}`
    }
    this.#to(this.#limit * SLOWER)
    return `answers took ${milliseconds(rtt)}, and ${milliseconds(shortest)} at best`
  }

  #to(wanted: number, ceiling = Infinity, isMore = false): void {
    if (!isMore) this.#isStarting = false
    this.#limit = Math.max(this.#limits.least, Math.min(this.#limits.most, isMore ? Math.max(this.#limit, Math.min(wanted, ceiling)) : wanted))
  }
}

const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : String(Math.round(ms))} ms`
