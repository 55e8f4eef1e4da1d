/** Makes the pipeline that the settings of `sluice process` mean, in the form of a YAML file. */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { variableOf } from './flags.ts'
import type { Values } from './flags.ts'

/** A part of a pipeline's file. */
type Part = Readonly<Record<string, unknown>>

const BROKERS = ['localhost:9092']
const STATES = 'sluice-state'

/** The pipeline as a value. Paths stay as they were given: they are seen from `folder`, where the command was called. */
export function pipelineOf(values: Values, folder: string): Part {
  const { workers, 's3-bucket': bucket, 'batch-size': events } = values
  const name = nameOf(values)
  const state = stateOf(values, name, folder)
  const stages = stagesOf(values)
  const errors = deadLettersOf(values)
  return filled({
    pipeline: name,
    sources: { in: sourceOf(values) },
    stages: stages.length === 0 ? undefined : stages,
    sinks: { out: sinkOf(values) },
    dead_letters: errors,
    state,
    workers,
    batch: events === undefined || bucket !== undefined ? undefined : { events },
  })
}

/** The text of a file that holds the pipeline. */
export async function textOf(pipeline: Part): Promise<string> {
  const { stringify } = await import('yaml')
  return `# What sluice process was asked for; sluice run does the same with this file. Paths are seen from the folder of the file.\n${stringify(pipeline, { lineWidth: 0 })}`
}

/** Without what was not given. */
function filled(part: Part): Part {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined))
}

/** Names what is read and where it goes: `orders-to-lake`. */
function nameOf({ source, topic = [], url = '', 's3-bucket': bucket }: Values): string {
  const from = source === 'kafka' ? topic.join('-') : source === 'api' && URL.canParse(url) ? new URL(url).hostname : 'files'
  return `${from}${bucket === undefined ? '' : `-to-${bucket}`}`.replaceAll(/[^A-Za-z0-9_.-]/g, '-').replace(/^[-.]+/, '').slice(0, 100) || 'process'
}

/**
 * What is done is kept in a folder of its own for each input and destination, so that no run takes up the places of another. Other flags may change between two runs.
 *
 * An API that is asked once has nothing to go on from: each run is a new one.
 */
function stateOf(values: Values, name: string, folder: string): string | undefined {
  const { source, state, group, every, brokers, topic, files, url, 's3-bucket': bucket, 's3-endpoint': endpoint, 's3-prefix': prefix } = values
  if (state !== undefined) return state === 'none' ? undefined : state
  if (bucket === undefined || group !== undefined || (source === 'api' && every === undefined)) return undefined
  const what = [source, brokers ?? BROKERS, topic, files?.map(file => resolve(folder, file)), url, bucket, endpoint, prefix]
  return `${STATES}/${name}-${createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 8)}`
}

// --------------------------------------------------------------------------------------------------------------- source

function sourceOf(values: Values): Part {
  const { source, files = [], url, header, items, paging, every, timeout } = values
  if (source === 'kafka') return { log: kafkaOf(values) }
  if (source === 'file') return { file: { path: oneOrMore(files) } }
  return { http_client: filled({ url, headers: header, items, paging: paging === undefined ? undefined : { by: paging }, every, timeout }) }
}

function oneOrMore(texts: readonly string[]): string | readonly string[] {
  return texts.length === 1 ? texts[0] ?? '' : texts
}

function kafkaOf(values: Values): Part {
  const { brokers = BROKERS, topic = [], group, start, until } = values
  return filled({ log: `kafka://${brokers.join(',')}`, topic: oneOrMore(topic), group, start, until, sasl: saslOf(values), tls: tlsOf(values) })
}

/** The password stays where it is: the pipeline names the variable. */
function saslOf({ 'sasl-mechanism': mechanism, 'sasl-username': username }: Values): Part | undefined {
  if (mechanism === undefined) return undefined
  const password = `\${${variableOf('sasl-password')}}`
  return mechanism === 'OAUTHBEARER' ? { mechanism, token: password } : { mechanism, username, password }
}

function tlsOf(values: Values): Part | boolean | undefined {
  const { tls, 'tls-ca': ca, 'tls-cert': cert, 'tls-key': key, 'tls-server-name': name } = values
  const contents = (file: string | undefined): string | undefined => (file === undefined ? undefined : `\${file:${file}}`)
  const parts = filled({ ca: contents(ca), cert: contents(cert), key: contents(key), server_name: name })
  return Object.keys(parts).length > 0 ? parts : tls
}

// --------------------------------------------------------------------------------------------------------------- stages

function stagesOf({ validate, filter, map }: Values): Part[] {
  const stages: Part[] = []
  if (validate !== undefined) stages.push({ validate: { schema: validate } })
  if (filter !== undefined) stages.push({ filter })
  if (map !== undefined) stages.push({ map })
  return stages
}

// --------------------------------------------------------------------------------------------------------------- sinks

function sinkOf(values: Values): Part {
  const { output, format, compression, retries, 's3-bucket': bucket } = values
  if (bucket !== undefined) return filled({ s3: s3Of(values), retry: retries === undefined ? undefined : { attempts: retries + 1 } })
  if (output === undefined) return { stdout: filled({ format, options: optionsOf(values) }) }
  return { file: filled({ path: literal(output), format, compression, options: optionsOf(values) }) }
}

function s3Of(values: Values): Part {
  const { format = 'ndjson', compression, 's3-manifest': manifest, 'batch-size': events, 'batch-bytes': size, 'batch-age': age } = values
  const notify = notifyOf(values)
  const key = `${keyStart(values)}${ending(format, compression)}`
  return filled({ ...connectionOf(values), key, format, compression: compression ?? 'zstd', options: optionsOf(values), events, size, age, manifest, notify })
}

/** Who is told of objects. The secret stays where it is, as the password does. */
function notifyOf(values: Values): Part | undefined {
  const { brokers = BROKERS, 'notify-topic': topic, 'notify-url': url } = values
  if (topic !== undefined) return filled({ topic, log: `kafka://${brokers.join(',')}`, sasl: saslOf(values), tls: tlsOf(values) })
  return url === undefined ? undefined : { url, secret: `\${${variableOf('notify-secret')}}` }
}

function connectionOf({ timeout, 's3-bucket': bucket, 's3-endpoint': endpoint, 's3-region': region }: Values): Part {
  return { bucket, endpoint, region, timeout }
}

/** Objects of Kafka are named by their partition and first offset, so that names stand in the order of the rows. */
function keyStart({ source, topic = [], 's3-prefix': prefix = '' }: Values): string {
  const start = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  if (source !== 'kafka') return `${start}{{id}}`
  // A key begins with a literal part.
  const place = topic.length === 1 ? topic[0] ?? '' : `${start === '' ? 'topics/' : ''}{position.topic}`
  return `${start}${place}/{position.partition}/{{first}}-{{id}}`
}

function ending(format: 'ndjson' | 'csv' | 'parquet', compression: 'none' | 'gzip' | 'zstd' = 'zstd'): string {
  // Parquet is compressed inside.
  return `.${format}${format === 'parquet' || compression === 'none' ? '' : compression === 'gzip' ? '.gz' : '.zst'}`
}

function optionsOf({ format, output, columns, map }: Values): Part | undefined {
  if (format === 'parquet') return columns === undefined ? undefined : { columns: Object.fromEntries(columns.map(column => [column.slice(0, column.lastIndexOf(':')), column.slice(column.lastIndexOf(':') + 1)])) }
  const isCsv = format === 'csv' || (format === undefined && /\.csv(\.gz|\.zst)?$/.test(output ?? ''))
  return isCsv ? { columns: columns ?? Object.keys(map ?? {}) } : undefined
}

/** Braces of a name are no expressions. */
function literal(path: string): string {
  return path.replaceAll('{', '{{').replaceAll('}', '}}')
}

/** Rows that failed go under the prefix, below the name of their topic. */
function deadLettersOf(values: Values): Part | undefined {
  const { source, topic = [], 'error-prefix': prefix, 'batch-age': age } = values
  if (prefix === undefined) return undefined
  const start = prefix.endsWith('/') ? prefix : `${prefix}/`
  const below = source === 'kafka' && topic.length === 1 ? `${topic[0]}/` : ''
  return { s3: filled({ ...connectionOf(values), key: `${start}${below}{{id}}.ndjson.zst`, age }) }
}
