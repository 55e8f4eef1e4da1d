/**
 * Takes consistent cuts of a running pipeline.
 *
 * A barrier stands behind one batch. It follows that batch through the levels: once a level has released it, the lanes of the next are asked for what changed
 * in their memory, and the sinks of the level are asked to make durable what came before. When all have answered, one append to the checkpoint log
 * commits positions, memory and marks together.
 *
 *     idle --begin--> passing --all answers in--> committing --append--> idle
 */
import type { JsonValue } from '../event/index.ts'
import type { Notice } from '../observe/index.ts'
import type { Clock } from '../platform/index.ts'
import type { CutLog } from './checkpoint/index.ts'
import type { Coordinator } from './coordinator.ts'
import type { Crew } from './crew.ts'
import type { Link } from './links.ts'
import type { FromHost, GroupState } from './messages.ts'
import type { Plan } from './plan.ts'
import type { SinkRunner } from './sink-runner.ts'
import type { OpenSource } from './sources.ts'

export interface BarrierParts {
  readonly plan: Plan
  readonly log: CutLog
  readonly links: readonly Link[]
  readonly crew: Crew
  readonly sources: readonly OpenSource[]
  readonly sinks: ReadonlyMap<number, SinkRunner>
  readonly clock: Clock
  readonly coordinator: Coordinator
  /** Positions that every cut holds beside those of the sources. */
  readonly aside: Readonly<Record<string, JsonValue>>
  tell(notice: Notice): void
  /** Counters to keep with the cut. */
  counters(): JsonValue
}

interface Barrier {
  readonly id: number
  readonly seq: number
  /** Answers that are still to come. */
  open: number
  readonly groups: GroupState[]
  readonly marks: Map<string, JsonValue | undefined>
  /** Levels that it has passed. */
  passed: number
}

export class Barriers {
  readonly #parts: BarrierParts
  #barrier: Barrier | undefined
  #ids = 0
  #committed = -1
  #cancel: (() => void) | undefined
  #committing: Promise<void> = Promise.resolve()

  constructor(parts: BarrierParts) {
    this.#parts = parts
  }

  /** Commits where the sinks begin, before anything is written: what adds to a file that was there can go back to it after a crash before the first cut. */
  async begin(): Promise<void> {
    const { log, sinks, clock } = this.#parts
    if (log.transactional || log.last !== undefined) return
    const marks: Record<string, JsonValue> = {}
    for (const sink of sinks.values()) {
      const mark = await sink.flush()
      if (mark !== undefined) marks[sink.id] = mark
    }
    await log.append({ time: clock.now(), positions: {}, marks, counters: this.#parts.counters(), groups: [] })
  }

  /** Takes a cut every `interval` milliseconds from now on, if something has happened since the last. */
  every(interval: number): void {
    this.#cancel = this.#parts.clock.timer(interval, () => {
      this.#cancel = undefined
      this.cut()
        .then(() => this.#rearm(interval))
        .catch((error: unknown) => this.#parts.coordinator.fail(error))
    })
  }

  #rearm(interval: number): void {
    if (!this.#stopped) this.every(interval)
  }

  #stopped = false

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** The dead letters take rows of a batch as long as any sink may refuse them, so what comes later is kept back while a barrier passes. */
  get #letters(): SinkRunner | undefined {
    return this.#parts.sinks.get(this.#parts.plan.deadLetters)
  }

  /** Cuts behind the last batch read. Resolves when the cut is on disk; throws what made the pipeline fail, be it the cut or something else. */
  async cut(): Promise<void> {
    const { coordinator } = this.#parts
    await coordinator.until(() => this.#barrier === undefined)
    await this.#committing
    const seq = coordinator.lastSeq
    if (seq === this.#committed) return
    const barrier: Barrier = { id: this.#ids++, seq, open: 1, groups: [], marks: new Map(), passed: 0 }
    this.#barrier = barrier
    this.#letters?.hold(seq)
    if (this.#parts.log.transactional) for (const sink of this.#parts.sinks.values()) sink.hold(seq)
    if (!this.#parts.plan.config.ordered) coordinator.hold(seq)
    for (const level of this.#parts.plan.levels) if (coordinator.cursor(level.index) > seq) this.#pass(barrier, level.index)
    await coordinator.until(() => this.#barrier !== barrier)
    await this.#committing
    coordinator.check()
  }

  /** A level has released a batch. */
  released(level: number, seq: number): void {
    const barrier = this.#barrier
    if (barrier !== undefined && seq === barrier.seq && barrier.passed === level) this.#pass(barrier, level)
  }

  #pass(barrier: Barrier, level: number): void {
    if (barrier.passed !== level) return
    barrier.passed = level + 1
    const { plan, links, crew, sinks } = this.#parts
    const next = plan.levels[level + 1]
    if (next !== undefined) {
      const lanes = next.keyed ? crew.lanes : 1
      barrier.open += lanes
      for (let lane = 0; lane < lanes; lane++) links[lane]?.send({ kind: 'snapshot', id: barrier.id, level: next.index })
    }
    const last = next === undefined
    for (const [index, sink] of sinks) {
      const node = plan.nodes[index]
      if (node?.kind === 'dead_letters' || node?.level !== level) continue
      this.#flush(barrier, sink)
    }
    if (last) this.#answered(barrier)
  }

  #flush(barrier: Barrier, sink: SinkRunner): void {
    barrier.open++
    sink
      .flush()
      .then(mark => {
        barrier.marks.set(sink.id, mark)
        this.#answered(barrier)
      })
      .catch((error: unknown) => this.#parts.coordinator.fail(error))
  }

  /** A lane has handed over its memory. */
  snapshot(message: Extract<FromHost, { kind: 'snapshot' }>): void {
    const barrier = this.#barrier
    if (barrier === undefined || barrier.id !== message.id) return
    barrier.groups.push(...message.groups)
    this.#answered(barrier)
  }

  #answered(barrier: Barrier): void {
    barrier.open--
    if (barrier.open > 0) return
    // The dead letters come last: what the other sinks refused has been written to them by now.
    const letters = this.#letters
    if (letters !== undefined && !barrier.marks.has(letters.id)) return this.#flush(barrier, letters)
    this.#barrier = undefined
    if (!this.#parts.log.transactional) letters?.hold(undefined)
    this.#committing = this.#commit(barrier).then(() => this.#letGo(), (error: unknown) => this.#parts.coordinator.fail(error))
    if (!this.#parts.plan.config.ordered) this.#parts.coordinator.hold(undefined)
    this.#parts.coordinator.look()
  }

  /** What belongs to the next transaction may be written now. */
  #letGo(): void {
    if (this.#parts.log.transactional) for (const sink of this.#parts.sinks.values()) sink.hold(undefined)
  }

  /** Tells the sinks that their marks are kept; true where one has another mark since, which is put in place of the old one. */
  async #tell(marks: Record<string, JsonValue>): Promise<boolean> {
    let changed = false
    for (const sink of this.#parts.sinks.values()) {
      const mark = await sink.committed()
      if (mark === undefined) continue
      marks[sink.id] = mark
      changed = true
    }
    return changed
  }

  async #commit(barrier: Barrier): Promise<void> {
    const { sources, log, clock, aside } = this.#parts
    const positions: Record<string, JsonValue> = { ...aside }
    for (const source of sources) {
      const position = source.positionAt(barrier.seq)
      if (position !== undefined) positions[source.id] = position
    }
    const marks: Record<string, JsonValue> = {}
    for (const [sink, mark] of barrier.marks) if (mark !== undefined) marks[sink] = mark
    await log.append({ time: clock.now(), positions, marks, counters: this.#parts.counters(), groups: barrier.groups })
    this.#committed = barrier.seq
    if (await this.#tell(marks)) await log.append({ time: clock.now(), positions, marks, counters: this.#parts.counters(), groups: [] })
    for (const source of sources) {
      source.durableUpTo(barrier.seq)
      await source.release()
    }
    this.#parts.tell({ level: 'debug', kind: 'checkpoint', text: `Checkpoint ${barrier.id + 1}: all up to batch ${barrier.seq} is durable.`, fields: { checkpoint: barrier.id + 1, batch: barrier.seq } })
  }
}
