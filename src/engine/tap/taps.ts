/**
 * The taps of a run: who watches what. Lives on the coordinating thread, over all generations of the run.
 *
 *     open -> [ order to every worker ] -> samples ... -> close, by whoever opened it, or at the end of the run
 *
 * A reload takes the taps along: the next generation's workers get the same orders, and each watcher is told. What a watcher can't take is dropped.
 *
 * Memory: nothing is kept here; what is on its way to a watcher is the watcher's, who says when it is too much.
 */
import { SluiceError, suggest } from '../../base/index.ts'
import type { Event } from '../../event/index.ts'
import type { ComponentContext } from '../component.ts'
import type { Registry } from '../config.ts'
import type { Plan } from '../plan.ts'
import { compileFor } from '../prepare.ts'
import { Budget } from './budget.ts'
import { DEAD_LETTERS, RATE_DEFAULT, RATE_MAX, nodeOf, resolveName } from './order.ts'
import type { TapOrder, TapRequest, TapSamples } from './order.ts'
import { Sampler } from './sampler.ts'

/** Taps that a run may have at once. */
const TAPS_MAX = 8

/** Who gets what a tap sees. Its calls must not throw; they may close the tap. */
export interface TapWatcher {
  /** A line of JSON, without its end: see `TapSample`. False where it could not be taken: it is dropped. */
  sample(line: string): boolean
  /** Another config runs; `isThere` tells whether it has the component. */
  moved(isThere: boolean): void
  /** The run is over. */
  end(): void
}

export interface TapCounts {
  /** Events that were looked at. */
  readonly looked: number
  readonly shown: number
  /** Events that the watcher could not take. */
  readonly dropped: number
}

export interface Tap {
  readonly order: TapOrder
  readonly counts: TapCounts
  /** Ends it. May be called again. */
  close(): void
}

/** What taps are put into. */
export interface TapPlace {
  readonly plan: Plan
  readonly registry: Registry
  readonly context: (id: string) => ComponentContext
  /** Says it to all workers. */
  tell(message: { readonly kind: 'tap'; readonly order: TapOrder } | { readonly kind: 'untap'; readonly tap: number }): void
}

class OpenTap implements Tap {
  readonly order: TapOrder
  readonly watcher: TapWatcher
  readonly counts = { looked: 0, shown: 0, dropped: 0 }
  readonly #rate: Budget
  readonly #close: (tap: OpenTap) => void
  #isClosed = false

  constructor(order: TapOrder, watcher: TapWatcher, now: () => number, close: (tap: OpenTap) => void) {
    this.order = order
    this.watcher = watcher
    this.#rate = new Budget(order.rate / 1000, Math.max(1, order.rate / 5), now)
    this.#close = close
  }

  take({ bytes, looked }: TapSamples): void {
    this.counts.looked += looked
    for (const line of new TextDecoder().decode(bytes).split('\n')) {
      if (this.#isClosed) return
      // All workers together keep to the rate too.
      if (line === '' || !this.#rate.isOpen) continue
      this.#rate.spend(1)
      if (this.watcher.sample(line)) this.counts.shown++
      else this.counts.dropped++
    }
  }

  close(): void {
    this.#isClosed = true
    this.#close(this)
  }
}

export class Taps {
  readonly #open = new Map<number, OpenTap>()
  readonly #now: () => number
  #place: TapPlace | undefined
  /** Looks at what is given up on this thread: what sinks refuse. */
  #refused: Sampler | undefined
  #last = 0

  /** `now` tells milliseconds on a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Throws TAP_UNKNOWN for what is not there, TAP_TOO_MANY, and EXPR_... for a filter that is none. */
  open(request: TapRequest, watcher: TapWatcher): Tap {
    const place = this.#place
    if (place === undefined) throw new SluiceError('TAP_UNKNOWN', 'No pipeline is open.')
    if (this.#open.size >= TAPS_MAX) throw new SluiceError('TAP_TOO_MANY', `${TAPS_MAX} taps are open: close one of them first.`)
    const order = orderOf(request, place, ++this.#last)
    const tap = new OpenTap(order, watcher, this.#now, ended => {
      if (!this.#open.delete(ended.order.tap)) return
      this.#refused?.remove(ended.order.tap)
      this.#place?.tell({ kind: 'untap', tap: ended.order.tap })
    })
    this.#open.set(order.tap, tap)
    this.#look(order)
    place.tell({ kind: 'tap', order })
    return tap
  }

  /** For the run: what a worker that begins has to look at. */
  get orders(): readonly TapOrder[] {
    return [...this.#open.values()].map(({ order }) => order)
  }

  /** For the run: this is open now. Its workers were given the orders when they began. */
  at(place: TapPlace): void {
    const before = this.#place
    this.#place = place
    this.#refused = undefined
    for (const { order } of this.#open.values()) this.#look(order)
    if (before === undefined || before.plan === place.plan) return
    for (const { order, watcher } of this.#open.values()) watcher.moved(nodeOf(place.plan, order.kind, order.component) !== undefined)
  }

  /** For the run: what a worker saw. */
  samples(samples: readonly TapSamples[]): void {
    for (const seen of samples) this.#open.get(seen.tap)?.take(seen)
  }

  #look(order: TapOrder): void {
    if (order.kind !== 'dead_letters' || this.#place === undefined) return
    this.#refused ??= new Sampler({ ...this.#place, now: this.#now })
    this.#refused.add(order)
  }

  /** For the run: a sink refused an event, of which this letter was made. */
  letter(letter: Event): void {
    const sampler = this.#refused
    const place = this.#place
    const node = place?.plan.nodes[place.plan.deadLetters]
    if (sampler?.isActive !== true || node === undefined) return
    sampler.look(node, 'before', '', [letter])
    this.samples(sampler.take() ?? [])
  }

  /** For the run: it is over. */
  end(): void {
    const open = [...this.#open.values()]
    this.#open.clear()
    this.#place = undefined
    this.#refused = undefined
    for (const { watcher } of open) watcher.end()
  }
}

function orderOf({ component: name, side, filter, rate = RATE_DEFAULT }: TapRequest, { plan, context }: TapPlace, tap: number): TapOrder {
  const found = resolveName(plan, name)
  if (found === undefined) throw new SluiceError('TAP_UNKNOWN', `There is no source, stage or sink "${name}".${suggestion(plan, name)}`)
  const { kind, component } = found
  if (kind === 'source' && side === 'before') throw new SluiceError('TAP_UNKNOWN', `Before the source "${name}" there are no events yet: look behind it.`)
  if (kind === 'dead_letters' && side === 'after') throw new SluiceError('TAP_UNKNOWN', 'Nothing comes behind the dead letters: look at them without a side.')
  if (kind === 'sink' && side === 'after') throw new SluiceError('TAP_UNKNOWN', `The sink "${name}" hands nothing on: look before it.`)
  if (!(Number.isFinite(rate) && rate > 0 && rate <= RATE_MAX)) throw new SluiceError('TAP_UNKNOWN', `A tap shows up to ${RATE_MAX} events a second, not ${rate}.`)
  // Told here, where somebody can be told.
  if (filter !== undefined) compileFor(filter, 'bool', context(component))
  return { tap, kind, component, side: side ?? (kind === 'sink' || kind === 'dead_letters' ? 'before' : 'after'), filter, rate }
}

function suggestion(plan: Plan, name: string): string {
  const near = suggest(name, [...plan.nodes.filter(({ kind }) => kind !== 'relay' && kind !== 'dead_letters').map(({ id }) => id), DEAD_LETTERS])
  return near === undefined ? '' : ` Did you mean "${near}"?`
}
