/**
 * What a run tells its operator: one record each, for a log, a screen, or a program that embeds the run.
 *
 * A notice names things by their ids and codes. It never holds an event's content, nor a value of a config that may be secret.
 */
import type { Level } from './messages.ts'

export type NoticeKind =
  /** A run begins; its parts are being opened. */
  | 'start'
  /** All parts are open. */
  | 'running'
  /** A run has ended, with its figures. */
  | 'stop'
  /** Another config was asked for, and what became of it. */
  | 'reload'
  /** A part fails and is tried again; it works again. */
  | 'retry_begun' | 'retry_ended'
  /** A circuit breaker changes its state. */
  | 'breaker'
  /** Events went to the dead letters. */
  | 'dead_letters'
  /** A checkpoint was kept. */
  | 'checkpoint'
  /** The number of workers, the size of batches or an in-flight limit was changed. */
  | 'scale'
  /** How far a run is. */
  | 'progress'
  /** A word of a component or of the command. */
  | 'message'
  /** A run failed. */
  | 'failed'

export interface Notice {
  readonly level: Level
  readonly kind: NoticeKind
  /** One sentence for a person. */
  readonly text: string
  /** Id of the component that it is about. */
  readonly place?: string
  readonly pipeline?: string
  /** How often it happened; 1 where nothing is said. */
  readonly count?: number
  /** Notices with the same key are the same: they may be counted instead of told again. */
  readonly key?: string
  /** What else a machine may want to know. */
  readonly fields?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
}

export type Tell = (notice: Notice) => void
