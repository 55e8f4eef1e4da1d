/** Runs pipelines around a component under test: between the kit's own ends, on this thread or on workers, with a deadline over all. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, isAbsolute, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../base/index.ts'
import { runPipeline } from '../engine/index.ts'
import type { PipelineConfig, PluginConfig, Registry, Report, SinkConfig, SourceConfig, StageConfig, ThreadStart } from '../engine/index.ts'
import { answerToOwnName } from '../own-name.ts'
import { withDeclarations } from '../pipeline/index.ts'
import type { AnyDeclaration } from '../pipeline/index.ts'
import { systemClock } from '../platform/index.ts'
import { registry as builtIn } from '../registry.ts'
import { Collection, collect, collections, feed, feeds, give, show } from './ends.ts'
import type { Feed } from './ends.ts'
import type { Conformance } from './subject.ts'

const OFTEN = { attempts: 20, backoff: 1, factor: 1, backoffMax: 1, deadline: 0, budget: 0 } as const

export interface Ends {
  readonly sources: readonly SourceConfig[]
  readonly stages: readonly StageConfig[]
  readonly sinks: readonly SinkConfig[]
}

export interface RunMore {
  /** Declarations that stand in the place of others of their type: wrapped ones. */
  readonly instead?: readonly AnyDeclaration[]
  readonly config?: Partial<PipelineConfig>
  /** Threads, where the component can be had there; else they are left out. */
  readonly workers?: number
  readonly signal?: AbortSignal
}

let count = 0

/** One test of one component. */
export class Bench {
  readonly t: TestContext
  readonly spec: Conformance
  readonly folder: string
  readonly letters: Collection
  readonly #deadline: number
  readonly #lettersId: string
  readonly #own: string[] = []

  constructor(t: TestContext, spec: Conformance) {
    this.t = t
    this.spec = spec
    this.folder = spec.folder ?? tmpdir()
    this.#deadline = spec.deadline ?? 30_000
    const letters = this.collection()
    this.#lettersId = letters.id
    this.letters = letters.kept
    t.after(() => {
      for (const id of this.#own) {
        feeds.delete(id)
        collections.delete(id)
      }
    })
  }

  #id(): string {
    const id = `run-${process.pid}-${count++}`
    this.#own.push(id)
    return id
  }

  /** A new folder that goes when the test ends. */
  temporary(): string {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
    this.t.after(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  feed(lines: readonly string[], piece: number | (() => number), live = false): SourceConfig {
    const id = this.#id()
    const given: Feed = { lines, live, piece: typeof piece === 'number' ? () => piece : piece }
    feeds.set(id, given)
    return { id: 'feed', type: feed.type, config: { run: id } }
  }

  collection(): { readonly id: string; readonly kept: Collection } {
    const id = this.#id()
    const kept = new Collection()
    collections.set(id, kept)
    return { id, kept }
  }

  collect(id: string, from: string): SinkConfig {
    return sinkConfig('collect', collect.type, { run: id }, from)
  }

  /** True where the component can be had on other threads. */
  get onThreads(): boolean {
    const { source, stage, sink, plugin } = this.spec
    const own = [source, stage, sink].flatMap(subject => (subject === undefined ? [] : [subject.declaration]))
    return plugin !== undefined || own.every(one => builtIn[one.kind](one.type) === one)
  }

  async run({ sources, stages, sinks }: Ends, more: RunMore = {}): Promise<Report> {
    const threads = this.onThreads ? (more.workers ?? 0) : 0
    const letters = sinkConfig('dead_letters', collect.type, { run: this.#lettersId }, undefined)
    const config: PipelineConfig = {
      name: 'conformance', folder: this.folder, sources, stages, sinks, deadLetters: letters, workers: threads, memory: 1 << 24, state: undefined, checkpointInterval: 20, ordered: true,
      batch: { bytes: 65536, events: 65536, age: 10 }, stopTimeout: this.#deadline, plugins: this.#plugins(), ...more.config,
    }
    const { signal } = more
    const registry = this.#registry(more.instead ?? [])
    const run = runPipeline(config, registry, { ...(signal === undefined ? {} : { signal }), ...(threads > 0 ? { thread: threadStart(config) } : {}) })
    return this.within(run, 'the pipeline to end')
  }

  /** Waits, but not longer than the deadline. */
  async within<T>(promise: Promise<T>, what: string): Promise<T> {
    const late = Promise.withResolvers<never>()
    const cancel = systemClock.timer(this.#deadline, () => late.reject(new SluiceError('TIMED_OUT', `Waited ${this.#deadline / 1000} s in vain for ${what}.`)))
    try {
      return await Promise.race([promise, late.promise])
    } finally {
      cancel()
    }
  }

  #registry(instead: readonly AnyDeclaration[]): Registry {
    const { source, stage, sink, formats = [] } = this.spec
    const own = [source, stage, sink].flatMap((subject): AnyDeclaration[] => (subject === undefined ? [] : [subject.declaration]))
    return withDeclarations(builtIn, [feed, collect, show, give, ...formats, ...own, ...instead])
  }

  #plugins(): PluginConfig[] {
    answerToOwnName()
    const { plugin } = this.spec
    const ends = { name: fileURLToPath(new URL(`./ends${extname(import.meta.url)}`, import.meta.url)), folder: '/' }
    if (plugin === undefined) return [ends]
    const path = typeof plugin === 'string' && !plugin.startsWith('file:') ? plugin : fileURLToPath(plugin)
    if (!isAbsolute(path)) throw new SluiceError('PLUGIN_LOAD', `"plugin" must be an absolute path or a file URL, not ${path}: write new URL('./index.ts', import.meta.url).`)
    return [ends, { name: path, folder: '/' }]
  }
}

export function sinkConfig(id: string, type: string, config: unknown, from: string | undefined): SinkConfig {
  return { id, type, config, from: from === undefined ? [] : [from], retry: OFTEN, breaker: undefined, rateLimit: undefined }
}

export function stageConfig(id: string, type: string, config: unknown, from: string): StageConfig {
  return { id, type, config, from: [from], onError: 'dead_letter', concurrency: 4, retry: undefined, breaker: undefined, rateLimit: undefined }
}

/** As a run from a file starts its workers. */
function threadStart(config: PipelineConfig): ThreadStart {
  const module = new URL(`../worker${extname(import.meta.url)}`, import.meta.url).href
  return { url: new URL('../../bin/worker.js', import.meta.url), data: { kind: 'config', config, module } }
}
