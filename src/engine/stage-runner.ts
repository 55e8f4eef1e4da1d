/**
 * Runs one stage over arrays of events and sees that each event is answered exactly once.
 *
 * Events are numbered by `slot` before the stage sees them; an answer marks the slot. What the stage leaves unanswered goes to the dead
 * letters, so that a faulty stage loses nothing; what it answers twice stops the pipeline, because a doubled event can't be told from a lost one.
 *
 * A stage that waits is called once per event, `concurrency` calls at a time, each under the stage's policy; the answers are put back in order.
 */
import { SluiceError } from '../base/index.ts'
import type { Event } from '../event/index.ts'
import type { Output, Stage } from './component.ts'
import { IN_FLIGHT_MAX } from './adaptive/slots.ts'
import type { Slots } from './adaptive/slots.ts'
import type { StageConfig } from './config.ts'
import { KEY_GROUPS } from './memory.ts'
import type { StageMemory } from './memory.ts'
import { MAIN } from './plan.ts'
import { Counts } from './counts.ts'
import type { WorkNotes } from './work-notes.ts'

/** What a stage made of its input. */
export interface StageResult {
  readonly outputs: Map<string, Event[]>
  readonly rejected: { event: Event; error: unknown; attempts: number }[]
}

/** A call under retry, breaker and rate limit. Answers how many attempts it took. */
export type PolicyCall = (work: () => Promise<void>) => Promise<number>

/** Where a stage's steps are noted, and the index of its node. */
export interface StageWatch {
  readonly notes: WorkNotes
  readonly node: number
}

const ALL_GROUPS: readonly number[] = Array.from({ length: KEY_GROUPS }, (_, group) => group)

export class StageRunner implements Output {
  readonly #stage: Stage
  readonly #config: StageConfig
  readonly #counts: Counts
  readonly #policy: PolicyCall | undefined
  /** Where the stage remembers, if it does. */
  readonly #memory: StageMemory | undefined
  readonly #watch: StageWatch | undefined
  readonly #slots: Slots | undefined
  /** The config of one attempt. */
  #attempt: StageConfig | undefined
  #answered = new Uint8Array(16)
  #answers = 0
  /** True while `process` runs: only then are slots checked. */
  #checking = false
  #result: StageResult = emptyResult()
  /** Row that `produce` belongs to: the last one answered. */
  #ticket = 0
  #retries = 0

  constructor(stage: Stage, config: StageConfig, counts: Counts, policy?: PolicyCall, memory?: StageMemory, watch?: StageWatch, slots?: Slots) {
    this.#stage = stage
    this.#config = config
    this.#counts = counts
    this.#policy = policy
    this.#memory = memory
    this.#watch = watch
    this.#slots = slots
  }

  get stage(): Stage {
    return this.#stage
  }

  /** Calls that were made again since it was last asked. */
  takeRetries(): number {
    const retries = this.#retries
    this.#retries = 0
    return retries
  }

  /** Runs the stage. Synchronous unless the stage waits. */
  run(events: readonly Event[]): StageResult | Promise<StageResult> {
    const { notes, node } = this.#watch ?? NOBODY
    if (notes === undefined) return this.#run(events)
    if (notes.careful) return this.#runCarefully(events, notes, node)
    const waits = this.#policy !== undefined
    notes.enter(node, waits)
    const result = this.#run(events)
    if (result instanceof Promise) return result.finally(() => notes.leave(waits))
    notes.leave(waits)
    return result
  }

  /** One event at a time, each noted before; those that ended a worker before are rejected unseen. */
  async #runCarefully(events: readonly Event[], notes: WorkNotes, node: number): Promise<StageResult> {
    const all = emptyResult()
    for (const event of events) {
      const error = notes.next(node)
      notes.enter(node, this.#policy !== undefined)
      append(all, error === undefined ? await this.#run([event]) : this.#rejecting(event, error).#result)
      notes.leave(this.#policy !== undefined)
    }
    return all
  }

  #run(events: readonly Event[]): StageResult | Promise<StageResult> {
    if (this.#policy !== undefined) return this.#runWaiting(events, this.#policy)
    if (this.#memory !== undefined && events.some(event => event.partition !== undefined)) return this.#runByPartition(events, this.#memory)
    return this.#runAll(events)
  }

  #runAll(events: readonly Event[]): StageResult | Promise<StageResult> {
    this.#begin(events)
    try {
      const waits = this.#stage.process(events, this)
      if (waits !== undefined) return waits.then(() => this.#end(events, undefined), (error: unknown) => this.#end(events, { error }))
    } catch (error) {
      return this.#end(events, { error })
    }
    return this.#end(events, undefined)
  }

  /** Behind `partition_by`: each run of events with one key sees the memory of that key alone. */
  #runByPartition(events: readonly Event[], memory: StageMemory, all: StageResult = emptyResult(), first = 0): StageResult | Promise<StageResult> {
    for (let from = first; from < events.length; ) {
      const partition = events[from]?.partition
      let to = from + 1
      while (to < events.length && events[to]?.partition === partition) to++
      memory.partition = partition
      const result = this.#runAll(events.slice(from, to))
      if (result instanceof Promise) {
        const next = to
        return result.then(done => {
          append(all, done)
          return this.#runByPartition(events, memory, all, next)
        })
      }
      append(all, result)
      from = to
    }
    memory.partition = undefined
    return all
  }

  /**
   * Lets the stage hand out what it holds back; its memory is empty afterwards. Behind `partition_by` (`keyed`) it is asked for each key group
   * by itself, so that the order of what comes out does not depend on which worker owns which group.
   */
  async finish(keyed: boolean): Promise<StageResult> {
    this.#result = emptyResult()
    for (const group of keyed && this.#memory !== undefined ? ALL_GROUPS : [undefined]) {
      if (this.#memory !== undefined) this.#memory.only = group
      this.#ticket = group ?? 0
      await this.#stage.finish?.(this)
    }
    if (this.#memory !== undefined) this.#memory.only = undefined
    if (this.#stage.finish !== undefined) this.#memory?.clear()
    return this.#result
  }

  tick(now: number): StageResult {
    this.#result = emptyResult()
    this.#stage.tick?.(now, this)
    return this.#result
  }

  async #runWaiting(events: readonly Event[], policy: PolicyCall): Promise<StageResult> {
    const results = new Array<StageResult>(events.length)
    let next = 0
    const lane = async (): Promise<void> => {
      for (let at = next++; at < events.length; at = next++) {
        const event = events[at]
        if (event !== undefined) results[at] = await this.#callOne(event, policy)
      }
    }
    const { concurrency } = this.#config
    await Promise.all(Array.from({ length: Math.min(concurrency === 'auto' ? IN_FLIGHT_MAX : concurrency, events.length) }, lane))
    const all = emptyResult()
    for (const result of results) {
      append(all, result)
    }
    return all
  }

  async #callOne(event: Event, policy: PolicyCall): Promise<StageResult> {
    let runner = this.#single()
    let failure: unknown
    let attempts = 1
    try {
      const attempt = async (): Promise<void> => {
        runner = this.#single()
        const result = await runner.run([event])
        const first = result.rejected[0]
        if (first !== undefined && isRetriable(first.error)) throw first.error
      }
      attempts = await policy(this.#slots === undefined ? attempt : () => this.#slots?.run(attempt) ?? attempt())
    } catch (error) {
      if (isFatal(error)) throw error
      failure = error
      attempts = attemptsOf(error)
    }
    this.#retries += attempts - 1
    if (failure !== undefined) runner = this.#single().#rejecting(event, failure)
    const result = runner.#result
    this.#counts.add(runner.#counts)
    const given = result.rejected.splice(0)
    for (const one of given) append(result, this.#givenUp(one.event, one.error, attempts))
    return result
  }

  /** One attempt, which rejects what fails: whether that is to be left out, passed on or to end the run is asked only once no other attempt is made. */
  #single(): StageRunner {
    return new StageRunner(this.#stage, (this.#attempt ??= { ...this.#config, onError: 'dead_letter' }), new Counts())
  }

  #givenUp(event: Event, error: unknown, attempts: number): StageResult {
    const runner = new StageRunner(this.#stage, this.#config, new Counts()).#rejecting(event, error)
    for (const one of runner.#result.rejected) one.attempts = attempts
    this.#counts.add(runner.#counts)
    return runner.#result
  }

  #rejecting(event: Event, error: unknown): StageRunner {
    this.#begin([event])
    this.reject(event, error)
    return this
  }

  #begin(events: readonly Event[]): void {
    this.#result = emptyResult()
    if (this.#answered.length < events.length) this.#answered = new Uint8Array(events.length * 2)
    this.#answered.fill(0, 0, events.length)
    for (let slot = 0; slot < events.length; slot++) (events[slot] as Event).slot = slot // The index is inside the array.
    this.#answers = 0
    this.#checking = true
    this.#ticket = events[0]?.ticket ?? 0
  }

  #end(events: readonly Event[], failed: { error: unknown } | undefined): StageResult {
    if (failed !== undefined && isFatal(failed.error)) throw failed.error
    if (this.#answers !== events.length || failed !== undefined) {
      for (let slot = 0; slot < events.length; slot++) {
        const event = events[slot]
        if (event === undefined || this.#answered[slot] === 1) continue
        this.reject(event, failed?.error ?? new SluiceError('STAGE_ANSWERS', `Stage "${this.#config.id}" gave no answer for this event.`))
      }
    }
    this.#checking = false
    return this.#result
  }

  #answer(event: Event): void {
    if (!this.#checking) return
    if (this.#answered[event.slot] === 1) {
      throw new SluiceError('STAGE_ANSWERS', `Stage "${this.#config.id}" answered one event twice.`, { retry: false })
    }
    this.#answered[event.slot] = 1
    this.#answers++
    this.#ticket = event.ticket
  }

  emit(event: Event): void {
    this.#answer(event)
    push(this.#result.outputs, MAIN, event)
  }

  to(name: string, event: Event): void {
    this.#answer(event)
    push(this.#result.outputs, name, event)
  }

  split(event: Event, parts: readonly Event[]): void {
    this.#answer(event)
    if (parts.length === 0) this.#counts.filtered++
    else this.#counts.created += parts.length - 1
    for (const part of parts) {
      part.ticket = event.ticket
      push(this.#result.outputs, MAIN, part)
    }
  }

  absorb(event: Event): void {
    this.#answer(event)
    this.#counts.filtered++
  }

  produce(event: Event): void {
    this.#counts.created++
    event.ticket = this.#ticket
    push(this.#result.outputs, MAIN, event)
  }

  drop(event: Event): void {
    this.#answer(event)
    this.#counts.filtered++
  }

  reject(event: Event, error: unknown): void {
    switch (this.#config.onError) {
      case 'drop':
        return this.drop(event)
      case 'pass':
        return this.emit(event)
      case 'stop':
        throw new SluiceError('STAGE_STOPPED', `Stage "${this.#config.id}" failed at ${JSON.stringify(event.position)}: ${messageOf(error)}`, { cause: error })
      case 'dead_letter':
        this.#answer(event)
        this.#result.rejected.push({ event, error, attempts: 1 })
    }
  }
}

function emptyResult(): StageResult {
  return { outputs: new Map(), rejected: [] }
}

function append(all: StageResult, result: StageResult): void {
  for (const [name, made] of result.outputs) for (const event of made) push(all.outputs, name, event)
  for (const one of result.rejected) all.rejected.push(one)
}

function push(outputs: Map<string, Event[]>, name: string, event: Event): void {
  const array = outputs.get(name)
  if (array === undefined) outputs.set(name, [event])
  else array.push(event)
}

const NOBODY = { notes: undefined, node: 0 } as const

/** Errors that stop the pipeline instead of costing one event. */
function isFatal(error: unknown): boolean {
  return error instanceof SluiceError && (error.code === 'STAGE_STOPPED' || error.code === 'STAGE_ANSWERS' || error.code === 'ABORTED')
}

function isRetriable(error: unknown): boolean {
  return error instanceof SluiceError && error.retry
}

function attemptsOf(error: unknown): number {
  const attempts = error instanceof Error && 'attempts' in error ? error.attempts : 1
  return typeof attempts === 'number' ? attempts : 1
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
