/**
 * Whether one component can do its work, or fails and is tried again:
 *
 *     well --a failure that is worth another attempt--> failing (since, attempts, why) --something works--> well
 *
 * It tells when a trouble begins and when it is over, each attempt only at the level `trace`. Lives on the thread of its component.
 */
import { SluiceError } from '../base/index.ts'
import type { BreakerState } from '../base/index.ts'
import type { Notice, Tell } from './notices.ts'

export interface TroubleFigures {
  /** How long it has been failing. */
  readonly seconds: number
  /** How often it was tried in vain since. */
  readonly attempts: number
  /** Of the last failure. */
  readonly code: string
  readonly message: string
}

/** What one thread says to another of a component that it has a part of. */
export interface TroubleSaid {
  readonly id: string
  /** Which work of it. */
  readonly work: string
  /** How it fails; undefined: it works. */
  readonly failing: Omit<TroubleFigures, 'seconds'> | undefined
}

/** Milliseconds between two words that all is well. */
const WELL_EVERY = 1000

export class Trouble {
  readonly #place: string
  readonly #monotonic: () => number
  readonly #tell: Tell
  readonly #tellThread: ((said: TroubleSaid) => void) | undefined
  /** When it was said last of a kind of work that it works. */
  readonly #well = new Map<string, number>()
  /** Several calls may fail by one error. */
  readonly #counted = new WeakSet<SluiceError>()
  #since: number | undefined
  /** Which work failed: only that can show that it is over. */
  #work = ''
  #attempts = 0
  #code = ''
  #message = ''

  /** `tellThread`: where another thread is to know too. */
  constructor(place: string, monotonic: () => number, tell: Tell, tellThread?: (said: TroubleSaid) => void) {
    this.#place = place
    this.#monotonic = monotonic
    this.#tell = tell
    this.#tellThread = tellThread
  }

  get figures(): TroubleFigures | undefined {
    return this.#since === undefined ? undefined : { seconds: this.#seconds, attempts: this.#attempts, code: this.#code, message: this.#message }
  }

  get #seconds(): number {
    return (this.#monotonic() - (this.#since ?? 0)) / 1000
  }

  /** Something failed. Only what may succeed later counts: the rest is no trouble of the other side. */
  failed(error: unknown, work = ''): void {
    if (!(error instanceof SluiceError) || !error.retry || error.code === 'ABORTED' || this.#counted.has(error)) return
    this.#counted.add(error)
    const attempts = ++this.#attempts
    const { code, message } = error
    this.#code = code
    this.#message = message
    if (this.#since === undefined) this.#work = work
    this.#tellThread?.({ id: this.#place, work: this.#work, failing: { attempts, code, message } })
    const fields = { code: error.code, attempts: this.#attempts }
    if (this.#since !== undefined) return this.#say({ level: 'trace', kind: 'retry_begun', text: `is tried again after attempt ${this.#attempts}: ${error.code}`, fields })
    this.#since = this.#monotonic()
    this.#say({ level: 'warn', kind: 'retry_begun', text: `${sentence(error.message)} It is tried again.`, key: error.code, fields })
  }

  /** Something worked. */
  worked(work = ''): void {
    if (this.#since === undefined) return this.#isWell(work)
    if (work !== this.#work) return
    this.#tellThread?.({ id: this.#place, work, failing: undefined })
    const [seconds, attempts] = [this.#seconds, this.#attempts]
    this.forget()
    this.#say({ level: 'info', kind: 'retry_ended', text: `works again, after ${attempts} failed ${attempts === 1 ? 'attempt' : 'attempts'} in ${seconds.toFixed(1)} s.`, key: 'works', fields: { attempts, seconds } })
  }

  /** What fails on another worker is then no trouble of the other side. Said now and then: calls may be many. */
  #isWell(work: string): void {
    if (this.#tellThread === undefined) return
    const now = this.#monotonic()
    if (now - (this.#well.get(work) ?? -WELL_EVERY) < WELL_EVERY) return
    this.#well.set(work, now)
    this.#tellThread({ id: this.#place, work, failing: undefined })
  }

  /** What fails from now on is another trouble. */
  forget(): void {
    this.#since = undefined
    this.#attempts = 0
  }

  /** Does a piece of work, and learns from what becomes of it. A flush that has nothing to do says nothing of writes: work of several kinds has names. */
  async watch<T>(work: () => Promise<T>, name = ''): Promise<T> {
    try {
      const value = await work()
      this.worked(name)
      return value
    } catch (error) {
      this.failed(error, name)
      throw error
    }
  }

  /** The component's circuit breaker has changed. */
  breaker(state: BreakerState): void {
    const text = state === 'open' ? 'the circuit breaker is open: calls wait.' : state === 'closed' ? 'the circuit breaker is closed: calls go through.' : 'the circuit breaker tries one call.'
    this.#say({ level: state === 'open' ? 'warn' : state === 'closed' ? 'info' : 'debug', kind: 'breaker', text, key: state, fields: { state } })
  }

  #say(notice: Notice): void {
    this.#tell({ ...notice, place: this.#place })
  }
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`
}
