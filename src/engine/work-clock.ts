/**
 * Where a host's time goes: to which node, by the time between two switches. Nodes are the plan's: a source's time is that of decoding, a sink's that of encoding.
 *
 * A switch costs a look at the clock, so it is made for each step of a batch and never for an event. What is waited for is nobody's time; a stage that waits is measured
 * by `wait`, from its call to its answer; `takeWaiting` tells meanwhile.
 */
import type { NodeWork, Rejects } from './messages.ts'

/** Seconds that a batch took of nodes: of those that wait all of it, also what was told before. */
export function spent(work: readonly NodeWork[]): number {
  return work.reduce((sum, { seconds, waits }) => sum + (waits.length === 0 ? seconds : waits.reduce((all, wait) => all + wait, 0)), 0)
}

export class WorkClock {
  /** Called when something begins to wait where nothing did. */
  onWait: () => void = () => undefined
  readonly #seconds: Float64Array
  readonly #events: Float64Array
  readonly #filtered: Float64Array
  readonly #retries: Float64Array
  /** How often a node was given events since the last `take`. */
  readonly #steps: Float64Array
  readonly #waits = new Map<number, number[]>()
  /** Waits that go on, and from when on they are yet to be told. */
  readonly #open = new Set<{ readonly node: number; since: number }>()
  /** Of nodes with a rate limit: how long it has held calls back, and how much of that was told. */
  readonly #limits = new Map<number, { readonly heldMs: () => number; told: number }>()
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

  /** A node waits for the outside, until what comes back is called. */
  wait(node: number): () => void {
    const began = performance.now()
    const open = { node, since: began }
    this.#open.add(open)
    if (this.#open.size === 1) this.onWait()
    return () => {
      const now = performance.now()
      this.#open.delete(open)
      this.#seconds[node] = (this.#seconds[node] ?? 0) + (now - open.since) / 1000
      const waits = this.#waits.get(node)
      if (waits === undefined) this.#waits.set(node, [(now - began) / 1000])
      else waits.push((now - began) / 1000)
    }
  }

  /** True while a node waits. */
  get isWaiting(): boolean {
    return this.#open.size > 0
  }

  /** The rate limit of a node, by how long it has held calls back up to now. */
  limit(node: number, heldMs: () => number): void {
    this.#limits.set(node, { heldMs, told: 0 })
  }

  /** Milliseconds that are yet to be told. */
  #limited(node: number): number {
    const limit = this.#limits.get(node)
    if (limit === undefined) return 0
    const held = limit.heldMs()
    const ms = held - limit.told
    limit.told = held
    return ms
  }

  /** What nodes have waited since the last call, of waits that go on: a batch may take a minute, and who watches wants to know of it before. */
  takeWaiting(): NodeWork[] {
    const now = performance.now()
    const seconds = new Map<number, number>()
    for (const open of this.#open) {
      seconds.set(open.node, (seconds.get(open.node) ?? 0) + (now - open.since) / 1000)
      open.since = now
    }
    return [...seconds].map(([node, waited]) => ({ node, events: 0, seconds: waited, batches: 0, waits: [], filtered: 0, retries: 0, limited: this.#limited(node) / 1000 }))
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
      work.push({ node, events, seconds, batches, waits, filtered: this.#filtered[node] ?? 0, retries: this.#retries[node] ?? 0, limited: this.#limited(node) / 1000 })
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
