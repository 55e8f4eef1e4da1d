/** Records as a person or another program wants them: values as they are, JSON, or a template in the manner of kcat. */
import type { recordsOf } from '../../log/index.ts'
import { UsageError } from '../failure.ts'

export type LogRecord = ReturnType<typeof recordsOf> extends Iterable<infer R> ? R : never

/** The bytes of a record, in pieces. */
export type Formatter = (topic: string, partition: number, record: LogRecord) => readonly Uint8Array[]

const LINE_END = Buffer.from('\n')
const NOTHING = new Uint8Array(0)

/** Throws CLI_USAGE for a template with a letter that means nothing. */
export function formatterOf(format: string): Formatter {
  if (format === 'value') return (_topic, _partition, { value }) => [value ?? NOTHING, LINE_END]
  if (format === 'json') return (topic, partition, record) => [Buffer.from(`${JSON.stringify(asJson(topic, partition, record))}\n`)]
  return template(format)
}

const FIELDS: Readonly<Record<string, (topic: string, partition: number, record: LogRecord) => Uint8Array>> = {
  t: topic => Buffer.from(topic),
  p: (_topic, partition) => Buffer.from(String(partition)),
  o: (_topic, _partition, { offset }) => Buffer.from(String(offset)),
  T: (_topic, _partition, { timestamp }) => Buffer.from(String(timestamp)),
  k: (_topic, _partition, { key }) => key ?? NOTHING,
  s: (_topic, _partition, { value }) => value ?? NOTHING,
  h: (_topic, _partition, { headers }) => Buffer.from(headers.map(([name, value]) => `${name}=${value === null ? 'NULL' : Buffer.from(value).toString('utf8')}`).join(',')),
  '%': () => Buffer.from('%'),
}
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', '\\': '\\' }

function template(text: string): Formatter {
  if (!text.includes('%')) throw new UsageError('CLI_USAGE', `--format takes value, json or a template with %k, %s and so on, not "${text}".`)
  const parts: Formatter[] = []
  for (const [whole, field, escape] of text.matchAll(/%(.?)|\\(.?)|[^%\\]+/gs)) {
    if (field !== undefined) {
      const write = FIELDS[field]
      if (write === undefined) throw new UsageError('CLI_USAGE', `"%${field}" means nothing in --format.`, `There are ${Object.keys(FIELDS).map(name => `%${name}`).join(' ')}.`)
      parts.push((topic, partition, record) => [write(topic, partition, record)])
      continue
    }
    const bytes = Buffer.from(escape === undefined ? whole : (ESCAPES[escape] ?? whole))
    parts.push(() => [bytes])
  }
  return (topic, partition, record) => parts.flatMap(part => part(topic, partition, record))
}

/** A value that is JSON stays what it is; other text is text; what is no text becomes base64, under `value_base64`. */
function asJson(topic: string, partition: number, { offset, timestamp, key, value, headers }: LogRecord): object {
  return {
    topic, partition,
    offset: offset <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(offset) : String(offset),
    timestamp: new Date(timestamp).toISOString(),
    ...named('key', key, false),
    ...named('value', value, true),
    ...(headers.length === 0 ? {} : { headers: headers.map(([name, content]) => ({ name, ...named('value', content, false) })) }),
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function named(name: string, bytes: Uint8Array | null, mayBeJson: boolean): object {
  if (bytes === null) return { [name]: null }
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return { [`${name}_base64`]: Buffer.from(bytes).toString('base64') }
  }
  if (!mayBeJson) return { [name]: text }
  try {
    return { [name]: JSON.parse(text) as unknown }
  } catch {
    return { [name]: text }
  }
}
