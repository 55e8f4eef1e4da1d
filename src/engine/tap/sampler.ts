/**
 * A worker's side of taps: looks at events on their way, and writes down those that somebody wants to see.
 *
 * Nothing here changes an event, not even by reading it: what is shown is made of a copy. What a tap may cost is bounded three times: by a share of the worker's time,
 * by events and by bytes a second. Columns never look at an event as a whole; so, while somebody looks at what they do, the first events of a batch take the object path
 * now and then, which gives the same, and the time of that batch is charged in full.
 *
 * Memory: what was sampled since the worker's last answer, bounded by the bytes a second.
 */
import { Event } from '../../event/index.ts'
import type { JsonValue } from '../../event/index.ts'
import type { ComponentContext } from '../component.ts'
import type { Registry } from '../config.ts'
import type { Node, Plan } from '../plan.ts'
import { compileFor } from '../prepare.ts'
import { Budget } from './budget.ts'
import { hiddenFields, masked } from './hidden.ts'
import type { Hidden, HiddenAt } from './hidden.ts'
import { hiddenOfSources, shownLetter, withinReach } from './letters.ts'
import type { HiddenOf } from './letters.ts'
import { nodeOf } from './order.ts'
import type { TapOrder, TapSample, TapSamples } from './order.ts'

/** Share of a worker's time that all its taps may take together, each as much as the others. */
const TIME_SHARE = 0.05
/** Milliseconds that one may take at once. */
const TIME_MOST = 20
/** Events of a batch that do not go through columns: enough for a filter, too few to be felt. */
const ASIDE = 256
const BYTES_PER_SECOND = 1024 * 1024
/** Characters of an event that is shown. */
const EVENT_MAX = 64 * 1024

export interface SamplerOptions {
  readonly plan: Plan
  readonly registry: Registry
  readonly context: (id: string) => ComponentContext
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number
}

interface Watched {
  readonly order: TapOrder
  readonly node: Node
  readonly filter: ((event: Event) => unknown) | undefined
  readonly hidden: Hidden
  readonly time: Budget
  readonly events: Budget
  readonly bytes: Budget
  lines: string[]
  looked: number
}

export class Sampler {
  /** True while there is a tap: the only thing that is asked while there is none. */
  isActive = false
  readonly #options: SamplerOptions
  readonly #now: () => number
  readonly #watched = new Map<number, Watched>()
  #hidden: HiddenAt | undefined
  #hiddenOf: HiddenOf | undefined
  /** When a batch began of which some events do not go through the columns. */
  #asideAt: number | undefined

  constructor(options: SamplerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Begins to look. A component that this plan does not have is looked at by nobody. */
  add(order: TapOrder): void {
    const { plan, registry, context } = this.#options
    const node = nodeOf(plan, order.kind, order.component)
    if (node === undefined) return
    this.#hidden ??= hiddenFields(plan, registry, context)
    if (order.kind === 'dead_letters') this.#hiddenOf ??= hiddenOfSources(plan, registry, context, this.#hidden)
    const filter = order.filter === undefined ? undefined : filterOf(order.filter, context(order.component))
    const time = new Budget(() => TIME_SHARE / this.#watched.size, TIME_MOST, this.#now)
    const events = new Budget(order.rate / 1000, Math.max(1, order.rate / 5), this.#now)
    const bytes = new Budget(BYTES_PER_SECOND / 1000, BYTES_PER_SECOND / 4, this.#now)
    this.#watched.set(order.tap, { order, node, filter, hidden: this.#hidden[order.side][node.index] ?? 'all', time, events, bytes, lines: [], looked: 0 })
    this.isActive = true
  }

  remove(tap: number): void {
    this.#watched.delete(tap)
    this.isActive = this.#watched.size > 0
  }

  /** How many events of a batch that is about to go through columns are to take the object path, so that they can be looked at. */
  aside(): number {
    for (const { node, time, events, bytes } of this.#watched.values()) {
      if (!isAside(node) || !time.isOpen || !events.isOpen || !bytes.isOpen) continue
      this.#asideAt = this.#now()
      return ASIDE
    }
    return 0
  }

  /** Looks at events that a node is about to be given, or has handed on. */
  look(node: Node, side: TapOrder['side'], output: string, events: readonly Event[]): void {
    for (const watched of this.#watched.values()) if (watched.node === node && watched.order.side === side) this.#look(watched, output, events)
  }

  #look(watched: Watched, output: string, events: readonly Event[]): void {
    if (!watched.time.isOpen) return
    const began = this.#now()
    for (const event of events) {
      if (!watched.events.isOpen || !watched.bytes.isOpen) break
      watched.looked++
      const line = this.#line(watched, output, event)
      if (line === undefined) continue
      watched.events.spend(1)
      watched.bytes.spend(line.length)
      watched.lines.push(line)
    }
    if (this.#asideAt === undefined) watched.time.spend(this.#now() - began)
  }

  /** The event as it is shown; undefined where the filter does not want it. */
  #line({ order: { component, side, kind }, filter, hidden }: Watched, output: string, event: Event): string | undefined {
    const isLetter = kind === 'dead_letters'
    const text = event.isText ? event.text : JSON.stringify(isLetter ? withinReach(event.value) : event.value)
    const isTooLarge = text.length > EVENT_MAX
    const isOpen = isLetter ? this.#hiddenOf === undefined : hidden.length === 0
    const value = isTooLarge ? undefined : valueOf(text)
    const shown = value === undefined || isOpen ? value : isLetter && this.#hiddenOf !== undefined ? shownLetter(value, this.#hiddenOf) : masked(value, hidden)
    if (filter !== undefined && (shown === undefined || !isWanted(filter, event, shown, isOpen))) return undefined
    const head: TapSample = {
      component, side,
      ...(output === '' ? {} : { output }),
      ...(isLetter ? { dead_letter: true } : {}),
      source: event.slab.source,
      at: this.#options.context(component).now(),
      ...(event.time === undefined ? {} : { time: event.time }),
      ...(isOpen && event.key !== undefined ? { key: event.key } : {}),
      ...(isOpen && hasFields(event.headers) ? { headers: event.headers } : {}),
      ...(shown === undefined ? { too_large: text.length } : {}),
    }
    if (shown === undefined) return JSON.stringify(head)
    // What is not hidden is shown as it is written: numbers too large for JavaScript keep their digits. Only white space holds a line's end.
    const body = isOpen ? text.replaceAll(/[\r\n]+/g, ' ') : JSON.stringify(shown)
    return `${JSON.stringify(head).slice(0, -1)},"event":${body}}`
  }

  /** A batch of which some events did not go through the columns: whoever may look at them pays. */
  #charge(): void {
    if (this.#asideAt === undefined) return
    const payers = [...this.#watched.values()].filter(({ node }) => isAside(node))
    // So few events can't have taken longer: then the machine had something else to do.
    const spent = Math.min(TIME_MOST, this.#now() - this.#asideAt)
    for (const { time } of payers) time.spend(spent / payers.length)
    this.#asideAt = undefined
  }

  /** What was seen since the last call; undefined where that is nothing. */
  take(): TapSamples[] | undefined {
    this.#charge()
    let samples: TapSamples[] | undefined
    for (const watched of this.#watched.values()) {
      if (watched.looked === 0) continue
      const bytes = watched.lines.length === 0 ? new Uint8Array(0) : new TextEncoder().encode(`${watched.lines.join('\n')}\n`)
      ;(samples ??= []).push({ tap: watched.order.tap, bytes, looked: watched.looked })
      watched.lines = []
      watched.looked = 0
    }
    return samples
  }
}

/** It was compiled before it came here. Where another config has other functions and it no longer can be, it wants nothing: a tap never ends a run. */
function filterOf(source: string, context: ComponentContext): (event: Event) => unknown {
  try {
    return compileFor(source, 'bool', context)
  } catch {
    return () => false
  }
}

function valueOf(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue // JSON.parse yields nothing else.
  } catch {
    // Then it is told by its size: what can't be read can't be hidden either.
    return undefined
  }
}

function isWanted(filter: (event: Event) => unknown, { slab, start, end, key, headers, time }: Event, shown: JsonValue, isOpen: boolean): boolean {
  const seen = new Event(slab, start, end, undefined, shown)
  seen.time = time
  if (isOpen) {
    seen.key = key
    seen.headers = headers
  }
  try {
    return filter(seen) === true
  } catch {
    // A field that an event does not have, or has in another kind: it is not what is looked for.
    return false
  }
}

/** Events of the first level may go through columns; dead letters are objects anyway. */
function isAside({ level, kind }: Node): boolean {
  return level === 0 && kind !== 'dead_letters'
}

function hasFields(of: object): boolean {
  for (const name in of) if (name !== '') return true
  return false
}
