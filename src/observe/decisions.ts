/** What a run changed by itself, or because somebody asked for it: a type for figures, metrics and notices. */

export interface Decision {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly what: 'workers' | 'batch' | 'in_flight'
  /** Id of the component; undefined for the pipeline as a whole. */
  readonly of: string | undefined
  readonly from: number
  readonly to: number
  /** A part of a sentence. */
  readonly why: string
  /** `order`: somebody asked for it. */
  readonly by: 'controller' | 'order'
  /** What it was decided by, such as busy shares and round-trip times. */
  readonly figures: Readonly<Record<string, number>>
}

/** How many decisions there were, also those that are no longer kept. */
export interface Decided {
  readonly what: Decision['what']
  readonly direction: 'up' | 'down'
  readonly count: number
}

/** How it stands with all that is adapted. */
export interface AdaptiveFigures {
  /** True where the number of workers follows the load. */
  readonly workers_auto: boolean
  /** Requests that components with `concurrency: auto` may have under way, over all workers. */
  readonly in_flight: readonly { readonly id: string; readonly limit: number }[]
  /** Bytes that sources are asked for at a time; undefined while it is what the config says. */
  readonly batch_bytes: number | undefined
  /** Oldest first; the last hundred. */
  readonly decisions: readonly Decision[]
  readonly counts: readonly Decided[]
}
