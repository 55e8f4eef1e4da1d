/** The forms that `parse` knows. */
import { SluiceError } from '../base/index.ts'
import { parseRecord } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { compilePattern } from '../expr/index.ts'
import { define } from './paths.ts'

export interface ParserConfig {
  readonly format: 'json' | 'csv' | 'logfmt' | 'regex' | 'common_log' | 'combined_log' | 'syslog'
  readonly pattern?: string | undefined
  readonly columns: readonly string[]
  readonly delimiter: string
}

/** A function from a text to a value. Throws PARSE_FAILED. */
export function makeParser(config: ParserConfig): (text: string) => JsonValue {
  switch (config.format) {
    case 'json':
      return parseJson
    case 'csv':
      return csvParser(config)
    case 'logfmt':
      return parseLogfmt
    case 'regex':
      return regexParser(config.pattern)
    case 'common_log':
      return text => parseWebLog(text, false)
    case 'combined_log':
      return text => parseWebLog(text, true)
    case 'syslog':
      return parseSyslog
  }
}

function fail(what: string, text: string): never {
  throw new SluiceError('PARSE_FAILED', `The text is no ${what}: ${JSON.stringify(text.slice(0, 120))}`)
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue // JSON.parse yields nothing else.
  } catch {
    return fail('JSON', text)
  }
}

/** The text itself where it is JSON, on one line, as an event must be. Throws PARSE_FAILED. */
export function jsonText(text: string): string {
  const value = parseJson(text)
  // Line ends stand between the parts of JSON only; half a surrogate pair would be lost on the way to bytes, so it is escaped.
  return text.isWellFormed() ? text.replaceAll(/[\r\n]/g, ' ') : JSON.stringify(value)
}

function csvParser({ columns, delimiter }: ParserConfig): (text: string) => JsonValue {
  if (columns.length === 0) throw new SluiceError('CONFIG_VALUE', 'parse: "csv" needs "columns".')
  if (delimiter.length !== 1) throw new SluiceError('CONFIG_VALUE', `parse: the delimiter must be one character, not ${JSON.stringify(delimiter)}.`)
  return text => {
    const { fields, end } = parseRecord(text, 0, { delimiter, quote: '"' })
    if (end < text.length) fail('single record', text)
    if (fields.length !== columns.length) fail(`record of ${columns.length} columns (it has ${fields.length})`, text)
    const result: Record<string, JsonValue> = {}
    columns.forEach((name, at) => define(result, name, fields[at] ?? ''))
    return result
  }
}

function parseLogfmt(text: string): JsonValue {
  const result: Record<string, JsonValue> = {}
  let count = 0
  // A key, and behind "=" a word or a quoted text with escapes.
  for (const [, key = '', quoted, plain] of text.matchAll(/([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?/g)) {
    define(result, key, quoted !== undefined ? quoted.replace(/\\(.)/g, (_all, letter: string) => (letter === 'n' ? '\n' : letter === 't' ? '\t' : letter)) : (plain ?? true))
    count++
  }
  return count === 0 ? fail('logfmt', text) : result
}

function regexParser(pattern: string | undefined): (text: string) => JsonValue {
  if (pattern === undefined) throw new SluiceError('CONFIG_VALUE', 'parse: "regex" needs a "pattern".')
  const compiled = compilePattern(pattern)
  const names = Object.keys(compiled.namedGroups())
  if (names.length === 0) throw new SluiceError('CONFIG_VALUE', 'parse: the pattern has no named groups, such as (?P<name>...).')
  return text => {
    const matcher = compiled.matcher(text)
    if (!matcher.find()) fail(`match of ${pattern}`, text)
    const result: Record<string, JsonValue> = {}
    for (const name of names) define(result, name, matcher.group(name) ?? null)
    return result
  }
}

/** Apache's common and combined log formats (mod_log_config). */
const WEB = /^(\S+) (\S+) (\S+) \[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?\s*$/
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'

function parseWebLog(text: string, combined: boolean): JsonValue {
  const match = WEB.exec(text)
  if (match === null || (combined && match[13] === undefined)) return fail(combined ? 'line of a combined log' : 'line of a common log', text)
  const [, host = '', , user = '-', day, month = '', year, clock, hours, minutes, request = '', status, bytes, referer = '-', agent = '-'] = match
  const time = new Date(`${year}-${String(MONTHS.indexOf(month) / 3 + 1).padStart(2, '0')}-${day}T${clock}${hours}:${minutes}`)
  if (Number.isNaN(time.getTime())) fail('time of a log line', text)
  const [, method = null, path = null, protocol = null] = /^(\S+) (\S+)(?: (\S+))?$/.exec(request) ?? []
  return {
    host,
    user: user === '-' ? null : user,
    time: time.toISOString(),
    method,
    path: path ?? request,
    protocol,
    status: Number(status),
    bytes: bytes === '-' ? 0 : Number(bytes),
    ...(combined ? { referer: referer === '-' ? null : referer, agent: agent === '-' ? null : agent } : {}),
  }
}

const SEVERITIES = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'informational', 'debug']
/** RFC 5424, section 6; and RFC 3164, section 4, with the priority optional as many senders have it. */
const NEW = /^<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+)(?: ([\s\S]*))?$/
const OLD = /^(?:<(\d{1,3})>)?([A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}) (\S+) ([^\s:[]+)(?:\[([^\]]*)\])?: ?([\s\S]*)$/

function parseSyslog(text: string): JsonValue {
  const nil = (value: string | undefined): string | null => (value === undefined || value === '-' ? null : value)
  const modern = NEW.exec(text)
  if (modern !== null) {
    const [, priority, time, host, app, process, id, structured = '-', message] = modern
    return { ...priorityOf(Number(priority), text), time: nil(time), host: nil(host), app: nil(app), process: nil(process), id: nil(id), data: structured === '-' ? {} : structuredData(structured), message: (message ?? '').replace(/^\ufeff/, '') }
  }
  const old = OLD.exec(text)
  if (old === null) return fail('syslog line', text)
  const [, priority, time = '', host = '', app = '', process, message = ''] = old
  return { ...(priority === undefined ? {} : priorityOf(Number(priority), text)), time, host, app, process: process ?? null, message }
}

function priorityOf(priority: number, text: string): { facility: number; severity: string } {
  if (priority > 191) fail('syslog line: its priority is over 191', text)
  return { facility: Math.floor(priority / 8), severity: SEVERITIES[priority % 8] ?? '' }
}

function structuredData(text: string): { readonly [key: string]: JsonValue } {
  const result: Record<string, JsonValue> = {}
  for (const [, id = '', body = ''] of text.matchAll(/\[([^\s\]="]+)((?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*)\]/g)) {
    const values: Record<string, JsonValue> = {}
    for (const [, name = '', value = ''] of body.matchAll(/([^\s="\]]+)="((?:[^"\\]|\\.)*)"/g)) define(values, name, value.replace(/\\(["\\\]])/g, '$1'))
    define(result, id, values)
  }
  return result
}
