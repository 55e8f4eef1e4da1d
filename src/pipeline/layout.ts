/**
 * What may stand in a pipeline's file, beside the components' own configs: the settings of the pipeline, and the options of each node.
 * One declaration gives the check, the defaults and the JSON Schema for editors.
 */
import { field } from '../engine/index.ts'

export const RETRY = field.object(
  {
    attempts: field.integer({ minimum: 0, maximum: 1_000_000, default: 10, description: 'Attempts in all, the first included; 0 means without end' }),
    backoff: field.duration({ default: '200ms', description: 'The longest first wait; waits are drawn at random from nothing up to it' }),
    factor: field.number({ minimum: 1, maximum: 100, default: 2, description: 'How much longer each further wait may be' }),
    backoff_max: field.duration({ default: '30s', description: 'The longest wait of all' }),
    deadline: field.duration({ default: '5m', description: 'From the first attempt on; 0 means without end' }),
    budget: field.number({ minimum: 0, maximum: 1, default: 0, description: 'Most retries as a share of all calls; 0 switches the budget off' }),
  },
  { description: 'How often a call to the outside is tried again' },
)

export const BREAKER = field.object(
  {
    failures: field.integer({ minimum: 1, maximum: 1_000_000, default: 5, description: 'Failures in a row that open it' }),
    cooldown: field.duration({ default: '10s', description: 'How long it stays open before one call may try' }),
    successes: field.integer({ minimum: 1, maximum: 1_000_000, default: 1, description: 'Calls that must succeed in a row to close it again' }),
  },
  { description: 'Stops calling what keeps failing' },
)

export const RATE_LIMIT = field.object(
  {
    events: field.optional(field.integer({ minimum: 1, description: 'Most events in `per`' })),
    bytes: field.optional(field.size({ description: 'Most bytes in `per`' })),
    per: field.duration({ default: '1s', description: 'What `events` and `bytes` are counted over' }),
  },
  { description: 'The most that may pass in a length of time' },
)

const ID = { pattern: '^[A-Za-z_][A-Za-z0-9_-]{0,63}$' } as const

export const FROM = field.either([field.string({ minLength: 1 }), field.list(field.string({ minLength: 1 }), { minItems: 1 })], {
  description: 'Ids of the sources or stages whose output is taken; `id.output` for a named output',
})

/** Options of every stage, beside its type. */
export const STAGE_OPTIONS = {
  id: field.optional(field.string({ ...ID, description: 'Name of the stage; by default its type' })),
  from: field.optional(FROM),
  on_error: field.choice(['dead_letter', 'stop', 'drop', 'pass'], { default: 'dead_letter', description: 'What happens to an event that the stage fails on' }),
  concurrency: field.either([field.integer({ minimum: 1, maximum: 1024 }), field.choice(['auto'])], {
    default: 1,
    description: 'Events under way at once, for a stage that waits for the outside; auto takes as many as the other side takes, by round-trip times and refusals, 200 at most on each worker',
  }),
  retry: field.optional(RETRY),
  breaker: field.optional(BREAKER),
  rate_limit: field.optional(RATE_LIMIT),
} as const

/** Options that only a stage that waits can use. */
export const WAITING_OPTIONS: readonly string[] = ['concurrency', 'retry', 'breaker', 'rate_limit']

/** Options of every sink, beside its type. */
export const SINK_OPTIONS = {
  from: field.optional(FROM),
  retry: field.optional(RETRY),
  breaker: field.optional(BREAKER),
  rate_limit: field.optional(RATE_LIMIT),
} as const

export const SOURCE_OPTIONS = {} as const

/** The settings of the pipeline as a whole. */
export const SETTINGS = field.object({
  workers: field.either([field.integer({ minimum: 0, maximum: 256 }), field.choice(['auto'])], {
    default: 'auto',
    description: 'Worker threads; 0 runs everything on the calling thread, auto follows the load, up to one per core',
  }),
  memory: field.size({ default: '64MiB', description: 'Most bytes of events under way' }),
  state: field.optional(field.path({ description: 'Folder of the checkpoints; without it nothing is kept between runs' })),
  checkpoint_interval: field.duration({ default: '1s', description: 'How often a checkpoint is taken' }),
  delivery: field.optional(field.choice(['exactly_once', 'at_least_once'], { description: 'exactly_once commits outputs, positions and memory in one transaction of a log or a PostgreSQL database (the default from log to log with a group), or needs `state` and sinks that can go back' })),
  ordered: field.boolean({ default: true, description: 'Keep the order of the source in the output, whatever the number of workers' }),
  batch: field.object(
    {
      bytes: field.size({ default: '768KiB', description: 'Bytes to aim at; 768KiB at most' }),
      events: field.integer({ minimum: 1, maximum: 10_000_000, default: 100_000, description: 'Most events in one write of a sink that sends requests' }),
      age: field.duration({ default: '10ms', description: 'How long such a sink may wait for more before it writes' }),
      latency: field.optional(field.duration({ description: 'How long a batch may take from its reading until every sink has it: where batches take longer they become smaller. Without it they are as large as `bytes` says, and smaller only where a worker needs more than a quarter of a second for one' })),
    },
    { description: 'How much is worked on at a time' },
  ),
  stall_timeout: field.duration({ default: '1m', description: 'How long a stage of a plug-in or a `module` may take for one batch, or one call where it waits, before it is taken to hang: its worker is then ended and started anew. 0 waits for ever' }),
  stop_timeout: field.duration({ default: '30s', description: 'How long a drain may take once the pipeline is told to stop' }),
})

export const NAME = field.string({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}$', description: 'Name of the pipeline' })

/** The keys of a pipeline's file, in the order in which they are usually written. */
export const SECTIONS: readonly string[] = ['pipeline', 'plugins', 'include', 'templates', 'sources', 'stages', 'sinks', 'dead_letters', ...Object.keys(SETTINGS.properties ?? {}), 'tests']
