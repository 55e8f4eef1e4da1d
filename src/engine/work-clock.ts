/**
 * Where a host's time goes: to which node, by the time between two switches. Nodes are the plan's: a source's time is that of decoding, a sink's that of encoding.
 *
 * A switch costs a look at the clock, so it is made for each step of a batch and never for an event. What is waited for is nobody's time; a stage that waits is measured
 * by `waited`, from its call to its answer.
 */
import type { NodeWork, Rejects } from './messages.ts'

export class WorkClock {
  readonly #seconds: Float64Array
  readonly #events: Float64Array
  readonly #filtered: Float64Array
  readonly #retries: Float64Array
  /** How often a node was given events since the last `take`. */
  readonly #steps: Float64Array
  readonly #waits = new Map<number, number[]>()
  readonly #rejects = new Map<string, Map<string, number>>()
  readonly #none: number
  #current: number
  #last = 0

  constructor(nodes: number) {
    // The last one is nobody's.
    this.#none = nodes
    this.#current = nodes
    this.#seconds = new Float64Array(nodes + 1)
    this.#events = new Float64Array(nodes)
    this.#filtered = new Float64Array(nodes)
    this.#retries = new Float64Array(nodes)
    this.#steps = new Float64Array(nodes)
  }

  /** From now on time is the node's. Answers whose it was, to be given back to `switch`; undefined is nobody. */
  switch(node: number | undefined): number {
    const now = performance.now()
    const before = this.#current
    this.#seconds[before] = (this.#seconds[before] ?? 0) + (now - this.#last) / 1000
    this.#last = now
    this.#current = node ?? this.#none
    return before
  }

  /** Events that a node was given. Fewer than none: they are counted elsewhere. */
  count(node: number, events: number): void {
    this.#events[node] = (this.#events[node] ?? 0) + events
    this.#steps[node] = (this.#steps[node] ?? 0) + 1
  }

  /** What a node did with events that it was given. */
  did(node: number, filtered: number, retries = 0): void {
    this.#filtered[node] = (this.#filtered[node] ?? 0) + filtered
    this.#retries[node] = (this.#retries[node] ?? 0) + retries
  }

  /** Time that a node waited for the outside, in milliseconds. */
  waited(node: number, ms: number): void {
    this.#seconds[node] = (this.#seconds[node] ?? 0) + ms / 1000
    const waits = this.#waits.get(node)
    if (waits === undefined) this.#waits.set(node, [ms / 1000])
    else waits.push(ms / 1000)
  }

  /** An event that a component gave up. */
  rejected(id: string, code: string): void {
    const codes = this.#rejects.get(id) ?? new Map<string, number>()
    this.#rejects.set(id, codes.set(code, (codes.get(code) ?? 0) + 1))
  }

  takeRejects(): Rejects[] {
    if (this.#rejects.size === 0) return []
    const rejects = [...this.#rejects].flatMap(([id, codes]) => [...codes].map(([code, events]) => ({ id, code, events })))
    this.#rejects.clear()
    return rejects
  }

  /** What was noted since the last call. `overlaps`: each step was that of another batch, since several are under way at once; else all were one batch's. */
  take(overlaps: boolean): NodeWork[] {
    this.switch(this.#current)
    const work: NodeWork[] = []
    for (let node = 0; node < this.#none; node++) {
      const [events = 0, seconds = 0] = [this.#events[node], this.#seconds[node]]
      if (events === 0 && seconds <= 0) continue
      const waits = this.#waits.get(node) ?? []
      const batches = waits.length > 0 || events <= 0 ? 0 : overlaps ? (this.#steps[node] ?? 0) : 1
      work.push({ node, events, seconds, batches, waits, filtered: this.#filtered[node] ?? 0, retries: this.#retries[node] ?? 0 })
    }
    this.#waits.clear()
    this.#events.fill(0)
    this.#filtered.fill(0)
    this.#retries.fill(0)
    this.#steps.fill(0)
    this.#seconds.fill(0)
    return work
  }
}
