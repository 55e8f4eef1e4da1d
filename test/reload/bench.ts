/**
 * A pipeline of components that live in memory, for tests that change it while it runs.
 *
 * While it runs the law of conservation is held against every figure that is seen: what came in is out, filtered, dead or under way, and nothing that was counted is
 * ever uncounted. A source is fed by hand; each event carries its number, so that what is missing, doubled or out of place has a name.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { defineStage } from '../../src/engine/component.ts'
import type { StageDeclaration } from '../../src/engine/component.ts'
import type { PipelineConfig, SinkConfig, SourceConfig, StageConfig } from '../../src/engine/config.ts'
import * as field from '../../src/engine/fields.ts'
import { RunControl } from '../../src/engine/reload.ts'
import type { ReloadOutcome } from '../../src/engine/reload.ts'
import { Feed, fedSource, keepingSink } from '../../src/engine/reload.fixture.ts'
import type { Report } from '../../src/engine/report.ts'
import { runPipeline } from '../../src/engine/run.ts'
import { Kept, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry } from '../../src/engine/testing.ts'

export type Parts = Partial<PipelineConfig>

export const source = (id: string, config: object = {}, type = 'fed'): SourceConfig => ({ id, type, config: { feed: id, ...config } })
export const stage = (id: string, from: string | readonly string[], config: object = {}, type = 'mark'): StageConfig => stageConfig(id, type, from, { config })
export const sink = (id: string, from: string | readonly string[], config: object = {}, type = 'keep'): SinkConfig => sinkConfig(id, from, { type, config })

/** What a stage does to each event; `fails` says when it breaks. */
type Work = (value: Record<string, unknown>) => Record<string, unknown>
const FAULTS = { fails: field.choice(['never', 'create', 'open', 'work', 'close'], { default: 'never' }), note: field.optional(field.string()) }

const changing = (type: string, work: Work): StageDeclaration =>
  defineStage({
    type,
    summary: 'Changes each event',
    config: field.object(FAULTS),
    create: ({ fails }) => {
      if (fails === 'create') throw new Error('This stage can not be made, says the test.')
      return {
        open: () => (fails === 'open' ? Promise.reject(new Error('This stage can not be opened, says the test.')) : Promise.resolve()),
        close: () => (fails === 'close' ? Promise.reject(new Error('This stage can not be closed, says the test.')) : Promise.resolve()),
        process: (events, out) => {
          for (const event of events) {
            if (fails === 'work') throw new Error('This stage breaks, says the test.')
            event.replace(work(objectOf(event)) as never) // What the work makes of JSON is JSON.
            out.emit(event)
          }
        },
      }
    },
  }) as StageDeclaration // A stage of one config is a stage; so for the others.

/** Numbers the events that it sees, in its memory. */
const counting = (type: string): StageDeclaration =>
  defineStage({
    type,
    summary: 'Numbers events',
    config: field.object(FAULTS),
    memory: 'keyed',
    create: (_config, { state }) => {
      const table = state.table<number>('seen', { keysMax: 4096 })
      return {
        process: (events, out) => {
          for (const event of events) {
            const seen = (table.get('') ?? 0) + 1
            table.set('', seen)
            event.replace({ ...objectOf(event), seen })
            out.emit(event)
          }
        },
      }
    },
  }) as StageDeclaration

/** Every third event is dropped, every fifth is given up, those that are left go out by `odd` and the main output. */
const sorting = defineStage({
  type: 'sort',
  summary: 'Sends events on their ways',
  config: field.object(FAULTS),
  outputs: () => ['odd'],
  create: () => ({
    process: (events, out) => {
      for (const event of events) {
        const n = Number(objectOf(event)['n'])
        if (n % 3 === 0) out.drop(event)
        else if (n % 5 === 0) out.reject(event, new Error('a fifth'))
        else if (n % 2 === 0) out.emit(event)
        else out.to('odd', event)
      }
    },
  }),
}) as StageDeclaration

export interface Row {
  readonly n: number
  readonly from: string
  readonly seen?: number
  readonly marked?: boolean
}

export class Bench {
  readonly feed = new Feed()
  readonly kept = new Kept()
  readonly control = new RunControl()
  readonly stop = new AbortController()
  readonly now = new AbortController()
  readonly warnings: string[] = []
  /** What writes of sinks wait for. */
  gate: Promise<void> = Promise.resolve()
  /** Figures that the law was held against. */
  looks = 0
  readonly registry = testRegistry([
    fedSource(this.feed, 'fed'), fedSource(this.feed, 'fed_too'), counting('count'), counting('count_too'), changing('mark', value => ({ ...value, marked: true })), changing('same', value => value), sorting,
    keepingSink(this.feed, this.kept, 'keep', () => this.gate), keepingSink(this.feed, this.kept, 'keep_too', () => this.gate), keepingSink(this.feed, this.kept, 'memory'),
  ])
  readonly #fed = new Map<string, number>()
  #before = { in: 0, out: 0, filtered: 0, dead: 0 }
  #isOver = false

  start(config: PipelineConfig): Promise<Report> {
    void this.#watch()
    return runPipeline(config, this.registry, {
      control: this.control, signal: this.stop.signal, stopNow: this.now.signal, onWarning: (place, message) => this.warnings.push(`${place}: ${message}`),
    }).finally(() => (this.#isOver = true))
  }

  reload(config: PipelineConfig): Promise<ReloadOutcome> {
    return this.control.reload({ config, registry: this.registry })
  }

  /** Feeds so many rows more to a source. */
  push(from: string, count: number): void {
    const at = this.#fed.get(from) ?? 0
    this.#fed.set(from, at + count)
    this.feed.push(from, ...Array.from({ length: count }, (_, n) => JSON.stringify({ n: at + n, from })))
  }

  fed(from: string): number {
    return this.#fed.get(from) ?? 0
  }

  rows(id: string): Row[] {
    return this.kept.lines(id).map(line => JSON.parse(line) as Row) // Written by the pipelines of this test.
  }

  /** Rows of all sinks but the dead letters, by the source that they came from. */
  numbers(from: string, sinks: readonly string[] = ['out']): number[] {
    return sinks.flatMap(id => this.rows(id)).filter(row => row.from === from).map(({ n }) => n)
  }

  turn(): Promise<void> {
    return new Promise(resolve => void setImmediate(resolve))
  }

  /** Waits until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.turn()
  }

  /** Waits until nothing is under way. */
  rest(): Promise<void> {
    return this.until(() => this.control.figures?.batches === 0 && this.control.figures.events_in >= [...this.#fed.values()].reduce((sum, count) => sum + count, 0))
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      this.look()
      await this.turn()
    }
  }

  /** Holds the law against the figures of this moment. */
  look(): void {
    const { figures } = this.control
    if (figures === undefined) return
    const now = { in: figures.events_in + figures.created, out: figures.events_out, filtered: figures.filtered, dead: figures.dead_lettered }
    const underWay = now.in - now.out - now.filtered - now.dead
    if (underWay < 0 || (figures.batches === 0 && underWay !== 0)) throw new Error(`in = out + filtered + dead + under way does not hold: ${JSON.stringify({ ...now, underWay, batches: figures.batches })}`)
    for (const part of ['in', 'out', 'filtered', 'dead'] as const) if (now[part] < this.#before[part]) throw new Error(`${part} went from ${this.#before[part]} to ${now[part]}`)
    this.#before = now
    this.looks++
  }

  /** Holds the law against the report, and what was opened against what was closed. */
  prove(report: Report): void {
    const out = Object.values(report.events_out).reduce((sum, count) => sum + count, 0)
    assert.equal(report.events_in + report.created, out + report.filtered + report.dead_lettered + report.in_flight)
    assert.deepEqual(this.feed.opened.toSorted(), this.feed.closed.toSorted(), 'whatever was opened was closed once')
    assert.equal(this.feed.owned.size, 0, 'every port was given back')
    assert.ok(this.looks > 0)
  }
}

export const base: Parts = { sources: [source('a')], stages: [stage('count', 'a', {}, 'count')], sinks: [sink('out', 'count')] }

export function pipeline(parts: Parts, state?: string): PipelineConfig {
  return testPipeline([], [], { ...base, ...parts, state })
}

export function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-matrix-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'state')
}

/** 0 up to but without `end`. */
export const upTo = (end: number): number[] => Array.from({ length: end }, (_, n) => n)
