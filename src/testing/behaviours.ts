/**
 * The twenty behaviours that every connector is held to, by name, with the kinds of component that each is about.
 *
 * The names are those under which the connectors of Benthos are tested (`public/service/integration`, MIT licence); what each asks for here is our own.
 */
export type SubjectKind = 'source' | 'stage' | 'sink'

export interface BehaviourEntry {
  readonly kinds: readonly SubjectKind[]
  /** One sentence: the name of the test. */
  readonly what: string
}

const entry = (kinds: readonly SubjectKind[], what: string): BehaviourEntry => ({ kinds, what })

export const BEHAVIOURS = {
  open_close: entry(['source', 'stage', 'sink'], 'opens and closes without any event, and again in the same place'),
  open_close_isolated: entry(['source', 'stage', 'sink'], 'goes on working when another of its kind in the same process is closed'),
  metadata: entry(['source', 'stage', 'sink'], 'carries key and headers of each event'),
  metadata_filter: entry(['source', 'stage', 'sink'], 'makes up no key and no headers where there are none'),
  send_batch: entry(['stage', 'sink'], 'takes a batch whole: every event, in order'),
  send_batches: entry(['stage', 'sink'], 'takes one batch after the other'),
  send_batch_count: entry(['stage', 'sink'], 'makes the same of batches of any size'),
  send_batch_count_isolated: entry(['sink'], 'stands twice in a pipeline, each for itself'),
  receive_batch_count: entry(['source'], 'delivers the same whatever size of batch it is asked for'),
  stream_sequential: entry(['source', 'stage', 'sink'], 'passes a stream from its start to its end: every event once, in order, all accounted for'),
  stream_isolated: entry(['source', 'stage', 'sink'], 'runs in two pipelines at once, neither seeing anything of the other'),
  checkpoint_capture: entry(['source', 'stage', 'sink'], 'goes on at a checkpoint as if nothing had been between'),
  stream_parallel: entry(['source', 'stage', 'sink'], 'makes the same on several workers'),
  stream_saturated_unacked: entry(['source'], 'waits while nothing is taken, and loses nothing by it'),
  at_least_once_delivery: entry(['source', 'stage', 'sink'], 'loses nothing where something fails'),
  stream_parallel_lossy: entry(['source', 'sink'], 'gets everything across while one write of four fails'),
  stream_parallel_lossy_through_reconnect: entry(['source', 'sink'], 'gets everything across a cut of its connection'),
  output_only_send_sequential: entry(['sink'], 'takes events one by one'),
  output_only_send_batch: entry(['sink'], 'answers for each event of a batch: what is refused goes to the dead letters, the rest is taken'),
  output_only_override: entry(['sink'], 'puts each event where its own fields say'),
} as const satisfies Readonly<Record<string, BehaviourEntry>>

export type Behaviour = keyof typeof BEHAVIOURS

/** All names, in the order in which they are tested. */
export const BEHAVIOUR_NAMES: readonly Behaviour[] = Object.keys(BEHAVIOURS).filter((name): name is Behaviour => Object.hasOwn(BEHAVIOURS, name))
