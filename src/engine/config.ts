/**
 * A pipeline as the engine takes it: the one form that YAML and TypeScript both become.
 *
 * Everything here is JSON (durations are milliseconds, sizes bytes), except `inline` components of a TypeScript pipeline, which stay on
 * the thread that made them or come from a module that each worker imports by itself.
 */
import type { BreakerConfig, RateLimitConfig, RetryConfig } from '../base/index.ts'
import type { SinkDeclaration, SourceDeclaration, StageDeclaration, CodecDeclaration } from './component.ts'
import type { FunctionDeclaration } from './functions.ts'

export interface PipelineConfig {
  /** True where traces that events came with are noted. Set by who runs it, not by a setting: a worker sees the config alone. */
  readonly traced?: boolean
  readonly name: string
  /** Folder against which relative paths are resolved: absolute. */
  readonly folder: string
  readonly sources: readonly SourceConfig[]
  readonly stages: readonly StageConfig[]
  readonly sinks: readonly SinkConfig[]
  readonly deadLetters: SinkConfig | undefined
  readonly workers: number | 'auto'
  /** Bytes. */
  readonly memory: number
  /** Folder of the checkpoints, absolute, or undefined: at least once, nothing kept between runs. */
  readonly state: string | undefined
  /** Milliseconds. */
  readonly checkpointInterval: number
  readonly ordered: boolean
  /** Undefined: exactly once where sources and sinks share a ground (see `Committer`), else as `state` says. */
  readonly delivery?: 'exactly_once' | 'at_least_once' | undefined
  readonly batch: BatchConfig
  /** Milliseconds that a drain may take. */
  readonly stopTimeout: number
  /** Milliseconds that code of users may take for a step before it is taken to hang; 0 or undefined: for ever. */
  readonly stallTimeout?: number
  /** Modules that bring components and functions; every thread loads them by itself. */
  readonly plugins?: readonly PluginConfig[]
}
export interface PluginConfig {
  /** As it was written: a path that begins with a dot or a slash, or the name of a package. */
  readonly name: string
  /** Folder that it is looked for from: absolute. */
  readonly folder: string
  /** Hash of its text when it was loaded: other text is another plug-in. */
  readonly text?: string
}
export interface BatchConfig {
  /** Bytes to aim at; a batch is never larger than this and one record. */
  readonly bytes: number
  /** Most events in one write of a sink that sends requests. */
  readonly events: number
  /** Milliseconds that a started batch of a live source may wait for more. */
  readonly age: number
  /** Milliseconds to aim at, from the reading of a batch until every sink has it; undefined: batches are as large as work allows. */
  readonly latency?: number | undefined
}
interface NodeConfig {
  readonly id: string
  readonly type: string
  /** The component's own fields with defaults put in, still in the user's words (`10s`, an expression's text). */
  readonly config: unknown
}
export interface SourceConfig extends NodeConfig {}
export interface StageConfig extends NodeConfig {
  /** Ids of the nodes whose output this one takes: `stage`, `stage.output` or a source. */
  readonly from: readonly string[]
  readonly onError: 'dead_letter' | 'stop' | 'drop' | 'pass'
  /** Events under way at once; `auto`: as many as the other side takes. For stages that wait. */
  readonly concurrency: number | 'auto'
  readonly retry: RetryConfig | undefined
  readonly breaker: BreakerConfig | undefined
  readonly rateLimit: RateLimitConfig | undefined
}
export interface SinkConfig extends NodeConfig {
  readonly from: readonly string[]
  readonly retry: RetryConfig
  readonly breaker: BreakerConfig | undefined
  readonly rateLimit: RateLimitConfig | undefined
}
/** The pseudo stage that sends events with equal keys to one owner, in order. Its config is `{ key: expression }`. */
export const PARTITION_BY = 'partition_by'

/** Finds a component's declaration by its type name. */
export interface Registry {
  source(type: string): SourceDeclaration | undefined
  stage(type: string): StageDeclaration | undefined
  sink(type: string): SinkDeclaration | undefined
  codec(name: string): CodecDeclaration | undefined
  /** Functions that expressions may call beside those of the language, by name. */
  readonly functions?: Readonly<Record<string, FunctionDeclaration>>
  /** All of one kind, by name. For lists and "did you mean". */
  all(kind: 'source' | 'stage' | 'sink' | 'codec'): readonly (SourceDeclaration | StageDeclaration | SinkDeclaration | CodecDeclaration)[]
}
