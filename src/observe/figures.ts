/** What a running pipeline says of itself, at one moment. All counts and times grow from the start of the run on, over all its configs. */
import type { AdaptiveFigures } from './decisions.ts'
import type { TroubleFigures } from './trouble.ts'

export interface SourceFigures {
  readonly id: string
  readonly type: string
  readonly events: number
  readonly bytes: number
  /** Time in which it was asked and had not answered. */
  readonly waited_seconds: number
  /** Time that workers took to decode it. */
  readonly decode_seconds: number
  /** Events that it knows of and has not handed out; undefined where it can't tell. */
  readonly lag: number | undefined
  /** Set while it can't do its work and tries again. */
  readonly trouble?: TroubleFigures | undefined
}

export interface StageFigures {
  readonly id: string
  readonly type: string
  /** Events that it was given. */
  readonly events: number
  /** Time that it took, over all workers; that of a stage that waits includes its waiting. */
  readonly busy_seconds: number
  /** Events that it left out, or took in, on purpose. */
  readonly filtered: number
  /** Calls of a stage that waits which were made again. */
  readonly retries: number
  readonly waits: boolean
  /** Time in which its rate limit held calls back, over all workers, if it has one. */
  readonly limited_seconds?: number | undefined
  /** What its breaker is, if it has one; with several workers, each of which has its own, what one of them said last. */
  readonly breaker?: 'closed' | 'open' | 'half-open' | undefined
  /** Seconds that a batch was in it, one value for each batch; that of a stage that waits includes its waiting. */
  readonly latency: Histogram
  /** Set while a stage that waits can't do its work and tries again. */
  readonly trouble?: TroubleFigures | undefined
}

export interface SinkFigures {
  readonly id: string
  readonly type: string
  /** Events that it took. */
  readonly events: number
  readonly bytes: number
  readonly retries: number
  /** Writes that wait or are under way, and their bytes. */
  readonly backlog: number
  readonly backlog_bytes: number
  /** What its breaker is, if it has one. */
  readonly breaker?: 'closed' | 'open' | 'half-open' | undefined
  /** Time in which a write or a flush was under way. */
  readonly busy_seconds: number
  /** Time in which its rate limit held writes back, if it has one; they are under way meanwhile. */
  readonly limited_seconds?: number | undefined
  /** Time that workers took to encode for it. */
  readonly encode_seconds: number
  /** Seconds from the first attempt of a write to its last, one value for each write. */
  readonly latency: Histogram
  /** Set while it can't do its work and tries again. */
  readonly trouble?: TroubleFigures | undefined
}

/** How one worker's time went. The three add up to the time since it began. */
export interface WorkerFigures {
  readonly busy_seconds: number
  /** Nothing to do, because what was made before has not been taken by the sinks. */
  readonly held_seconds: number
  /** Nothing to do, because sources have nothing. */
  readonly idle_seconds: number
  /** Bytes in use in its heap, where it is a thread, as of the last look. */
  readonly heap_bytes?: number | undefined
}

/** A histogram: how many values were at most as large as each bound; those beyond the last only count in `count`. */
export interface Histogram {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
  /** What half of the values, and 99 of 100, stayed below: the last bound where they lie above all, undefined without values. */
  readonly p50: number | undefined
  readonly p99: number | undefined
}

export interface Figures {
  readonly pipeline: string
  /** Counts the configs that have run, from 1. */
  readonly generation: number
  readonly state: 'running' | 'paused' | 'draining'
  /** Since the start. */
  readonly seconds: number
  /** Time since something landed, or since the start; what tells a pipeline that stands still from one that has nothing to do is `batches`. */
  readonly quiet_seconds: number
  readonly sources: readonly SourceFigures[]
  readonly stages: readonly StageFigures[]
  readonly sinks: readonly SinkFigures[]
  readonly workers: readonly WorkerFigures[]
  readonly events_in: number
  /** Events that sinks have taken, those that a reload took away included; the dead letters are not among them. */
  readonly events_out: number
  readonly filtered: number
  readonly created: number
  readonly dead_lettered: number
  /** Events that went to the dead letters, by the component that gave them up and the code of the reason. */
  readonly errors: readonly { readonly id: string; readonly code: string; readonly events: number }[]
  /** Batches under way, the bytes that they hold, and how many bytes they may. */
  readonly batches: number
  readonly in_flight_bytes: number
  readonly memory_bytes: number
  /** Seconds from the reading of a batch until every sink had taken it, one value for each batch. */
  readonly latency: Histogram
  /**
   * Seconds from when the first event of a batch was taken in, where its source knows (a request came, a record was written), else from its reading, until every sink had
   * taken it.
   */
  readonly end_to_end: Histogram
  /** Events, and bytes, of a batch that a source delivered, one value for each batch. */
  readonly batch_events: Histogram
  readonly batch_bytes: Histogram
  readonly adaptive: AdaptiveFigures
}
