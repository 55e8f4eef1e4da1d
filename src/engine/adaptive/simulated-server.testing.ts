/**
 * A server and who asks it, in virtual time: no clock, no sockets, one queue of what happens next. For tests of in-flight limits.
 *
 * The server answers after a delay that may grow with the requests that it has; it may have so many places only (the rest waits), refuse or drop what is beyond a limit, or
 * take so many requests a second. Who asks has requests at a steady rate, or always. What was refused or dropped is asked again.
 */
import type { InFlightLimit, Outcome } from './in-flight.ts'

export interface ServerModel {
  /** Milliseconds of an answer where nobody else asks; by time, for servers that change. */
  readonly delay: number | ((at: number) => number)
  /** Milliseconds more for every other request that is there. */
  readonly each?: number
  /** Share by which the delay differs at random, on average; drawn from an exponential distribution. */
  readonly jitter?: number
  /** Requests that are worked on at once; the others wait for their turn. */
  readonly places?: number
  /** Requests that may be there; what is more is `refused` at once, or `dropped` without an answer. */
  readonly limit?: number
  readonly beyond?: 'refused' | 'dropped'
  /** Requests a second that are taken; what is more is refused. */
  readonly rate?: number
}

export interface LoadModel {
  /** Milliseconds between two requests; 0: there are always more. May change with time. */
  readonly every: number | ((at: number) => number)
  /** Milliseconds to run. */
  readonly ms: number
  /** Milliseconds after which no answer is taken for none. */
  readonly timeout?: number
}

export interface Observed {
  /** Means over time, from `from` on. */
  readonly in_flight: number
  readonly limit: number
  /** Milliseconds, of those answered. */
  readonly rtt: number
  /** Answered a second. */
  readonly rate: number
  /** Share of all that was refused or dropped. */
  readonly refused: number
  readonly limit_last: number
}

interface Event {
  readonly at: number
  readonly act: () => void
}

export class Simulation {
  readonly #server: ServerModel
  readonly #load: LoadModel
  readonly #limit: InFlightLimit
  readonly #random: () => number
  readonly #events: Event[] = []
  readonly #queue: (() => void)[] = []
  #now = 0
  #there = 0
  #working = 0
  #tokens = 1
  #tokensAt = 0
  #waiting = 0
  readonly #from: number
  #last: number
  readonly #sums = { inFlight: 0, limit: 0, rtt: 0, done: 0, refused: 0 }

  /** What happens before `from` is not looked at. */
  constructor(server: ServerModel, load: LoadModel, limit: InFlightLimit, random: () => number, from: number) {
    this.#server = server
    this.#load = load
    this.#limit = limit
    this.#random = random
    this.#from = this.#last = from
  }

  run(): Observed {
    this.#arrive()
    for (let event = this.#next(); event !== undefined && event.at <= this.#load.ms; event = this.#next()) {
      this.#tally(event.at)
      this.#now = event.at
      event.act()
      this.#send()
    }
    this.#tally(this.#load.ms)
    const ms = this.#load.ms - this.#from
    const { inFlight, limit, rtt, done, refused } = this.#sums
    return { in_flight: inFlight / ms, limit: limit / ms, rtt: rtt / Math.max(1, done), rate: (done / ms) * 1000, refused: refused / Math.max(1, done + refused), limit_last: this.#limit.limit }
  }

  #tally(until: number): void {
    const ms = Math.max(0, until - this.#last)
    this.#sums.inFlight += this.#limit.inFlight * ms
    this.#sums.limit += this.#limit.limit * ms
    this.#last = Math.max(this.#last, until)
  }

  #at(ms: number, act: () => void): void {
    const at = this.#now + ms
    let place = this.#events.length
    while (place > 0 && (this.#events[place - 1]?.at ?? 0) > at) place--
    this.#events.splice(place, 0, { at, act })
  }

  #next(): Event | undefined {
    return this.#events.shift()
  }

  #arrive(): void {
    const every = typeof this.#load.every === 'number' ? this.#load.every : this.#load.every(this.#now)
    if (every > 0) this.#waiting++
    this.#at(every === 0 ? 1 : every, () => this.#arrive())
    // Who always has more is asked whenever something ends.
    if (every === 0) this.#waiting = Infinity
    else if (this.#waiting === Infinity) this.#waiting = 1
    this.#send()
  }

  #send(): void {
    while (this.#waiting > 0 && this.#limit.hasRoom) {
      this.#waiting--
      this.#request()
    }
  }

  #request(): void {
    const began = this.#now
    const { timeout = 1000 } = this.#load
    this.#limit.begin(began)
    let isOver = false
    const end = (outcome: Outcome): void => {
      if (isOver) return
      isOver = true
      const ms = this.#now - began
      this.#limit.end(this.#now, ms, outcome)
      if (outcome === 'refused') this.#waiting++
      if (this.#now < this.#from) return
      if (outcome === 'refused') this.#sums.refused++
      else {
        this.#sums.done++
        this.#sums.rtt += ms
      }
    }
    this.#serve(end)
    this.#at(timeout, () => end('refused'))
  }

  #serve(end: (outcome: Outcome) => void): void {
    const { limit = Infinity, beyond = 'refused', places = Infinity, rate } = this.#server
    if (this.#there >= limit || (rate !== undefined && !this.#token(rate))) {
      if (beyond === 'refused') this.#at(this.#delay() / 10, () => end('refused'))
      return
    }
    this.#there++
    const work = (): void => {
      this.#working++
      this.#at(this.#delay(), () => {
        this.#there--
        this.#working--
        this.#queue.shift()?.()
        end('done')
      })
    }
    if (this.#working < places) work()
    else this.#queue.push(work)
  }

  #delay(): number {
    const { delay, each = 0, jitter = 0 } = this.#server
    const base = (typeof delay === 'number' ? delay : delay(this.#now)) + each * Math.max(0, this.#there - 1)
    return base * (1 + jitter * -Math.log(1 - this.#random()))
  }

  #token(rate: number): boolean {
    this.#tokens = Math.min(rate / 10 + 1, this.#tokens + ((this.#now - this.#tokensAt) / 1000) * rate)
    this.#tokensAt = this.#now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
