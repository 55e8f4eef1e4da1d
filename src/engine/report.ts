/** What a run tells: while it goes on, and at its end. Names as they stand in `--report json`. */
import type { Decision } from '../observe/index.ts'

export interface Progress {
  readonly events_in: number
  readonly events_out: number
  readonly filtered: number
  readonly dead_lettered: number
  readonly bytes_in: number
  /** Bytes in all, where every source knows its size. */
  readonly bytes_total: number | undefined
  readonly in_flight_bytes: number
  /** Events that sources know of and have not handed out; undefined where none of them knows. */
  readonly lag: number | undefined
  readonly seconds: number
  /** While stopping: what is waited for. */
  readonly waiting_for: string | undefined
}

export interface Percentiles {
  readonly p50_seconds: number | undefined
  readonly p99_seconds: number | undefined
}

/** The percentiles are those of the time that a batch was in the stage. */
export interface StageReport extends Percentiles {
  readonly events: number
  readonly filtered: number
  readonly busy_seconds: number
}

export interface Report {
  readonly pipeline: string
  readonly events_in: number
  /** Per sink. */
  readonly events_out: Readonly<Record<string, number>>
  readonly filtered: number
  readonly dead_lettered: number
  /** Events that stages made beyond those that came in, less none that vanished: see Counts. */
  readonly created: number
  /** 0 unless the run was stopped at once. */
  readonly in_flight: number
  readonly bytes_in: number
  readonly bytes_out: number
  readonly retries: number
  readonly seconds: number
  readonly events_per_second: number
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
  readonly workers: number
  /** What it changed by itself or by order, oldest first; the last hundred. */
  readonly decisions: readonly Decision[]
  /** Per stage, over the whole run. */
  readonly stages: Readonly<Record<string, StageReport>>
  /** From the reading of a batch until every sink had taken it; undefined without batches, at most a minute. */
  readonly latency: Percentiles
  /** `end of input`, `signal`, or `failure`. */
  /** What the run waited for most, in a sentence; undefined where it failed. */
  readonly bottleneck: string | undefined
  readonly stopped_by: 'end of input' | 'signal' | 'failure'
  /** Where the dead letters of this run went, if there were any and the sink has a path. */
  readonly dead_letters: string | undefined
}
