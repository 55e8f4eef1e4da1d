/**
 * Counters of a batch, added up on the coordinating thread. They prove that nothing vanished:
 *
 *     in + created = out (over all sinks) + filtered + dead-lettered + in flight
 */
export class Counts {
  /** Events read. */
  in = 0
  /** Left out or taken in by a stage on purpose, or sent to an output that nobody takes. */
  filtered = 0
  /** Events there are more than before: parts of a split, copies for a second taker, sums and windows. */
  created = 0
  deadLettered = 0

  add(other: Readonly<CountsRecord>): void {
    this.in += other.in
    this.filtered += other.filtered
    this.created += other.created
    this.deadLettered += other.deadLettered
  }

  /** The figures since the last call, and zero from now on. */
  take(): CountsRecord {
    const { in: read, filtered, created, deadLettered } = this
    this.in = this.filtered = this.created = this.deadLettered = 0
    return { in: read, filtered, created, deadLettered }
  }
}
export interface CountsRecord {
  in: number
  filtered: number
  created: number
  deadLettered: number
}
