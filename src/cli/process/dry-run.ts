/** What a run of `sluice process` would do, in words. */
import type { Values } from './flags.ts'

/** The parts of a pipeline's file that are told. */
interface Told {
  readonly pipeline?: unknown
  readonly sources?: unknown
  readonly sinks?: unknown
  readonly dead_letters?: unknown
  readonly state?: unknown
}

export function dryRunText(pipeline: Told, values: Values): string {
  const rows: (readonly [string, string | undefined])[] = [
    ['read', readText(values)],
    ['check', values.validate === undefined ? undefined : `rows by ${values.validate}`],
    ['keep', values.filter],
    ['make', values.map === undefined ? undefined : Object.entries(values.map).map(([name, expression]) => `${name} = ${expression}`).join(', ')],
    ['write', writeText(pipeline.sinks, values)],
    ['tell', tellText(values)],
    ['failed', failedText(pipeline.dead_letters, values)],
    ['state', typeof pipeline.state === 'string' ? `${pipeline.state}: the next run goes on behind this one` : 'none: the next run begins anew'],
    ['promise', promiseText(pipeline.state, values)],
  ]
  return `${String(pipeline.pipeline)}  would\n${rows.filter(([, text]) => text !== undefined).map(([name, text]) => `  ${name.padEnd(8)} ${text}\n`).join('')}`
}

function readText({ source, topic = [], brokers = ['localhost:9092'], files = [], url, every, until, group }: Values): string {
  if (source === 'file') return files.join(', ')
  if (source === 'api') return `${shownUrl(url ?? '')}, ${every === undefined ? 'once' : `every ${every}`}`
  return `topic${topic.length === 1 ? '' : 's'} ${topic.join(', ')} at ${brokers.join(', ')}${group === undefined ? '' : ` as a member of the group ${group}`}, ${until === undefined ? 'until it is stopped' : 'up to what is there now'}`
}

/** Without a login or a query, which may hold a key. */
function shownUrl(text: string): string {
  if (!URL.canParse(text)) return text
  const { origin, pathname } = new URL(text)
  return pathname === '/' ? origin : origin + pathname
}

function writeText(sinks: unknown, { output, 's3-bucket': bucket, 's3-endpoint': endpoint, 'batch-size': events, 'batch-bytes': size = '256MiB', 'batch-age': age = '60s' }: Values): string {
  if (bucket === undefined) return output ?? 'the standard output'
  const ends = [events === undefined ? [] : [`${events} rows`], size, age].flat()
  return `s3://${bucket}/${keyIn(sinks, 'out')}${endpoint === undefined ? '' : ` at ${shownUrl(endpoint)}`}, an object after ${ends.slice(0, -1).join(', ')} or ${ends.at(-1)}`
}

function tellText({ 'notify-topic': topic, 'notify-url': url }: Values): string | undefined {
  if (topic !== undefined) return `of each object to the topic ${topic}`
  return url === undefined ? undefined : `of each object to ${shownUrl(url)}`
}

function failedText(deadLetters: unknown, { 's3-bucket': bucket }: Values): string {
  return deadLetters === undefined ? 'rows go to the dead letter file' : `rows go to s3://${bucket}/${keyIn({ failed: deadLetters }, 'failed')}`
}

/** The key of the objects of a sink. */
function keyIn(sinks: unknown, id: string): string {
  let at = sinks
  for (const name of [id, 's3', 'key']) at = typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined
  return typeof at === 'string' ? at : ''
}

function promiseText(state: unknown, { 's3-bucket': bucket, output, source }: Values): string {
  if (bucket === undefined) return output === undefined ? 'each row is written at least once' : 'a file that is there is replaced'
  if (state !== undefined) return 'each row is in exactly one object, also after a crash'
  return source === 'api' ? 'each run writes all rows of the answers' : 'each row is in an object at least once'
}
