/** All settings of `sluice process`: the one table that the flags, the keys of a config, the variables of the environment and the help are made of. */
import { LOG_FORMATS, LOG_LEVELS } from '../journal/journal.ts'
import { choice, duration, list, named, number, size, text, workers, yes } from './kinds.ts'
import type { Kind } from './kinds.ts'

export const SOURCES = ['kafka', 'file', 'api'] as const
export const FORMATS = ['ndjson', 'csv', 'parquet'] as const
export const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const

interface Flag<T = unknown> {
  readonly kind: Kind<T>
  readonly about: string
  /** What holds where nothing is said, in words. */
  readonly otherwise?: string
  readonly group: string
  /** Never given by a flag, which everybody on the machine could see. */
  readonly secret?: boolean
}

const GROUPS = {
  input: 'Where rows come from:',
  kafka: 'With --source kafka (brokers and login also with --notify-topic):',
  api: 'With --source api:',
  rows: 'What is done with rows:',
  output: 'Where rows go:',
  s3: 'With --s3-bucket:',
  run: 'How it runs:',
} as const

function flag<T>(group: keyof typeof GROUPS, kind: Kind<T>, about: string, otherwise?: string): Flag<T> {
  return { kind, about, group: GROUPS[group], ...(otherwise === undefined ? {} : { otherwise }) }
}

export const FLAGS = {
  'source': flag('input', choice(SOURCES), 'kind of the source; files are named behind it'),
  'files': flag('input', list('<file...>', 'names of files', /\n/), 'files to read'),

  'topic': flag('kafka', list('<name>', 'names of topics'), 'topic to read; several with commas'),
  'brokers': flag('kafka', list('<host:port>', 'addresses such as broker-1:9092,broker-2:9092'), 'brokers to begin with', 'localhost:9092'),
  'group': flag('kafka', text('<name>', 'the name of a group'), 'share the partitions with others of this group; each row then arrives at least once'),
  'start': flag('kafka', text('<where>', 'earliest, latest, an offset or a time'), 'where the first run begins: earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z', 'earliest'),
  'until': flag('kafka', choice(['end']), '"end" stops at what is there when the run begins', 'goes on until it is stopped'),
  'sasl-mechanism': flag('kafka', choice(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']), 'how to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER'),
  'sasl-username': flag('kafka', text('<name>'), 'user to log in as'),
  'sasl-password': { ...flag('kafka', text('<password>'), 'password, or token for OAUTHBEARER'), secret: true },
  'tls': flag('kafka', yes, 'encrypt'),
  'tls-ca': flag('kafka', text('<file>', 'the name of a file'), 'certificates to trust, as PEM'),
  'tls-cert': flag('kafka', text('<file>', 'the name of a file'), 'certificate of this client, as PEM'),
  'tls-key': flag('kafka', text('<file>', 'the name of a file'), 'its key, as PEM'),
  'tls-server-name': flag('kafka', text('<name>'), 'name that the broker\'s certificate must bear', 'the broker\'s host'),

  'url': flag('api', text('<url>', 'a URL'), 'where to ask'),
  'header': flag('api', named('<name: value>', 'a header such as "Accept: application/json"', ':'), 'header of the requests; may be repeated'),
  'items': flag('api', text('<path>', 'a path such as data.items'), 'path of the rows in the answer, such as data.items', 'the answer itself'),
  'paging': flag('api', choice(['link', 'cursor', 'page', 'offset']), 'how to come to the next page', 'there is one page'),
  'every': flag('api', duration, 'ask again so long after the last round', 'asks once'),

  'validate': flag('rows', text('<file>', 'the name of a file'), 'JSON Schema that rows must satisfy; others go to the dead letters'),
  'filter': flag('rows', text('<expression>', 'an expression such as event.price > 10'), 'keep rows for which this holds: event.price > 10'),
  'map': flag('rows', named('<name=expression>', 'a field such as total=event.price * event.count'), 'make rows of these fields: total=event.price * event.count; may be repeated'),

  'output': flag('output', text('<file>', 'the name of a file'), 'write into this file', 'the standard output'),
  's3-bucket': flag('output', text('<name>', 'the name of a bucket'), 'write objects into this bucket'),
  'format': flag('output', choice(FORMATS), 'form of the rows', 'ndjson, or by the ending of --output'),
  'columns': flag('output', list('<names>', 'names with commas'), 'columns of csv, or of parquet with their types (id:integer,city:string)', 'the names of --map; for parquet those of the first rows'),
  'compression': flag('output', choice(COMPRESSIONS), 'compression', 'zstd in a bucket; a file goes by its ending'),
  'error-prefix': flag('s3', text('<prefix>', 'the beginning of keys'), 'where in the bucket rows that failed go', 'a file beside the state'),

  's3-prefix': flag('s3', text('<prefix>', 'the beginning of keys'), 'beginning of the keys; may hold expressions: orders/dt={format_time(time, "yyyy-MM-dd")}'),
  's3-endpoint': flag('s3', text('<url>', 'a URL'), 'server that is not Amazon\'s: http://localhost:9000'),
  's3-region': flag('s3', text('<name>', 'the name of a region'), 'region', 'what the environment or the profile says'),
  'notify-topic': flag('s3', text('<name>', 'the name of a topic'), 'topic of Kafka that gets a message for each object, at --brokers'),
  'notify-url': flag('s3', text('<url>', 'a URL'), 'webhook that gets a request for each object, signed with the notify secret'),
  'notify-secret': { ...flag('s3', text('<secret>'), 'secret that requests are signed with: whsec_ and 24 to 64 bytes in base64'), secret: true },
  's3-manifest': flag('s3', text('<prefix>', 'the beginning of keys'), 'write lists of complete objects under this prefix'),
  'batch-size': flag('run', number(1, 10_000_000), 'most rows of an object; without a bucket, of one write', 'objects go by --batch-bytes and --batch-age'),
  'batch-bytes': flag('s3', size, 'most bytes of an object, before compression', '256MiB'),
  'batch-age': flag('s3', duration, 'longest time before objects end and can be seen', '60s'),

  'workers': flag('run', workers, 'worker threads', 'one per core'),
  'state': flag('run', text('<folder>', 'the name of a folder, or none'), 'folder to keep what is done, so that a later run goes on; none keeps nothing', 'with a bucket a folder below sluice-state; none with --group, and where an API is asked once'),
  'timeout': flag('run', duration, 'longest wait for an answer of the API and of S3', '30s and 60s'),
  'retries': flag('run', number(0, 1_000_000), 'how often a request to S3 is tried again', '9'),
  'metrics-port': flag('run', number(0, 65_535), 'serve metrics, health and the admin interface to this machine at this port', 'none'),
  'log-level': flag('run', choice(LOG_LEVELS), 'least level of what is told on standard error: trace, debug, info, warn, error', 'info'),
  'log-format': flag('run', choice(LOG_FORMATS), 'form of what is told: pretty, lines for people, or json, one record a line', 'pretty'),
  'dry-run': flag('run', yes, 'check everything, connections too, and say what would be done; reads and writes nothing'),
  'print-pipeline': flag('run', yes, 'print the pipeline that the flags mean, for sluice run'),
} as const satisfies Record<string, Flag>

export type FlagName = keyof typeof FLAGS
export const FLAG_NAMES = Object.keys(FLAGS) as FlagName[] // An object's keys are typed as texts.

/** What was given, and read. */
export type Values = { readonly [N in FlagName]?: (typeof FLAGS)[N]['kind'] extends Kind<infer T> ? T : never }

/** A flag as the others of the table see it. */
export function flagOf(name: FlagName): Flag {
  return FLAGS[name]
}

/** The key in a config. */
export function keyOf(name: string): string {
  return name.replaceAll('-', '_')
}

/** The variable of the environment. */
export function variableOf(name: string): string {
  return `SLUICE_PROCESS_${keyOf(name).toUpperCase()}`
}
