/**
 * What of the settings does not go together, told before anything is touched: each problem with its cause and its cure.
 *
 * The environment often says things for many runs at once: where one of its values does not fit a run that a flag or a config decided on, it is left out.
 */
import { UsageError } from '../failure.ts'
import { variableOf } from './flags.ts'
import type { FlagName, Values } from './flags.ts'
import { shownFlag } from './values.ts'
import type { Settled } from './values.ts'

interface Problem {
  /** What is too much. */
  readonly names: readonly FlagName[]
  /** Why, and what to do. */
  readonly message: string
}

/** The values that go together. Throws CLI_USAGE with all problems. */
export function combine({ values, origins }: Settled): Values {
  let kept = values
  for (;;) {
    const problems = problemsOf(kept)
    const dropped = problems.flatMap(({ names }) => names).filter(name => origins.get(name) === 'environment')
    if (dropped.length === 0) {
      refuse(problems)
      return kept
    }
    kept = Object.fromEntries(Object.entries(kept).filter(([name]) => !dropped.some(each => each === name)))
  }
}

function refuse(problems: readonly Problem[]): void {
  const [first, ...rest] = problems
  if (first === undefined) return
  if (rest.length === 0) throw new UsageError('CLI_USAGE', first.message)
  throw new UsageError('CLI_USAGE', `These settings do not go together:\n${problems.map(({ message }) => `- ${message}`).join('\n')}`)
}

/** Settings that one kind of source has. */
const KAFKA: readonly FlagName[] = ['topic', 'group', 'start', 'until']
/** What a topic for messages needs too. */
const BROKERS: readonly FlagName[] = ['brokers', 'sasl-mechanism', 'sasl-username', 'sasl-password', 'tls', 'tls-ca', 'tls-cert', 'tls-key', 'tls-server-name']
const API: readonly FlagName[] = ['url', 'header', 'items', 'paging', 'every']
const S3: readonly FlagName[] = ['error-prefix', 's3-prefix', 's3-endpoint', 's3-region', 's3-manifest', 'notify-topic', 'notify-url', 'notify-secret', 'batch-bytes', 'batch-age', 'retries']

function problemsOf(values: Values): Problem[] {
  return [...sourceProblems(values), ...loginProblems(values), ...outputProblems(values), ...notifyProblems(values), ...runProblems(values)]
}

function problem(message: string, ...names: readonly FlagName[]): Problem {
  return { message, names }
}

function sourceProblems(values: Values): Problem[] {
  const { source, topic, files, url } = values
  if (source === undefined) return [problem(`Nothing says where rows come from. Give --source kafka with --topic, --source file with files, or --source api with --url (or ${variableOf('source')}).`)]
  const problems: Problem[] = []
  if (source === 'kafka' && topic === undefined) problems.push(problem(`--source kafka needs a topic to read. Give --topic NAME (or ${variableOf('topic')}).`))
  if (source === 'file' && files === undefined) problems.push(problem('--source file needs files to read. Name them behind it: --source file data.json.'))
  const kinds = new Set(source === 'file' ? files?.map(kindOf) : [])
  if (kinds.size > 1) problems.push(problem(`The files are of different kinds: ${[...kinds].join(', ')}. Process each kind by itself, or write a pipeline with a source for each.`))
  if (source === 'api' && url === undefined) problems.push(problem(`--source api needs an address. Give --url https://... (or ${variableOf('url')}).`))
  if (url !== undefined && source === 'api' && !/^https?:\/\/./.test(url) && !url.startsWith('${')) problems.push(problem(`--url takes an address that begins with https:// or http://, not ${JSON.stringify(url)}.`, 'url'))
  problems.push(...foreign(values, 'kafka', values['notify-topic'] === undefined ? [...KAFKA, ...BROKERS] : KAFKA), ...foreign(values, 'api', API), ...foreign(values, 'file', ['files']))
  return problems
}

const JSON_LINES: readonly string[] = ['ndjson', 'jsonl']

/** What a file is read as: the one format of a source goes by the first of its files. */
function kindOf(file: string): string {
  const ending = /\.(ndjson|jsonl|json|csv|tsv|parquet|log|txt)$/i.exec(file.replace(/\.(?:gz|zst)$/, ''))?.[1]?.toLowerCase() ?? 'ndjson'
  return JSON_LINES.includes(ending) ? 'ndjson' : ending === 'log' || ending === 'txt' ? 'lines' : ending
}

function foreign(values: Values, kind: 'kafka' | 'file' | 'api', names: readonly FlagName[]): Problem[] {
  if (values.source === kind) return []
  return names.filter(name => values[name] !== undefined).map(name => problem(`${shownFlag(name)} is for --source ${kind}, and this run reads from ${values.source}. Leave it out, or change the source.`, name))
}

function loginProblems(values: Values): Problem[] {
  const { source, tls, 'sasl-mechanism': mechanism, 'sasl-username': user, 'sasl-password': password, 'tls-cert': cert, 'tls-key': key } = values
  if (source !== 'kafka' && values['notify-topic'] === undefined) return []
  const problems: Problem[] = []
  if (mechanism === undefined) {
    for (const name of ['sasl-username', 'sasl-password'] as const) if (values[name] !== undefined) problems.push(problem(`${shownFlag(name)} needs to know how to log in. Give --sasl-mechanism.`, name))
  } else {
    if (password === undefined) problems.push(problem(`--sasl-mechanism ${mechanism} needs a ${mechanism === 'OAUTHBEARER' ? 'token' : 'password'}. Set ${variableOf('sasl-password')}.`, 'sasl-mechanism'))
    if (mechanism === 'OAUTHBEARER' ? user !== undefined : user === undefined) problems.push(problem(mechanism === 'OAUTHBEARER' ? 'OAUTHBEARER takes a token and no user. Leave --sasl-username out.' : `--sasl-mechanism ${mechanism} needs a user. Give --sasl-username.`, user === undefined ? 'sasl-mechanism' : 'sasl-username'))
  }
  const parts = (['tls-ca', 'tls-cert', 'tls-key', 'tls-server-name'] as const).filter(name => values[name] !== undefined)
  if (tls === false) for (const name of parts) problems.push(problem(`${shownFlag(name)} means nothing without encryption. Leave it out, or give --tls.`, name))
  if ((cert === undefined) !== (key === undefined)) problems.push(problem('--tls-cert and --tls-key go together: give both, or none of them.', cert === undefined ? 'tls-key' : 'tls-cert'))
  return problems
}

function outputProblems(values: Values): Problem[] {
  const { output, format, columns, compression, map, 's3-bucket': bucket } = values
  const problems: Problem[] = []
  if (output !== undefined && bucket !== undefined) problems.push(problem('Rows go into a file or into a bucket, not both. Leave out --output or --s3-bucket.', 's3-bucket'))
  if (bucket === undefined) {
    for (const name of S3) if (values[name] !== undefined) problems.push(problem(`${shownFlag(name)} is for objects in a bucket, and this run writes to ${output === undefined ? 'the standard output' : 'a file'}. Give --s3-bucket NAME, or leave it out.`, name))
    if (format === 'parquet' || (format === undefined && output?.endsWith('.parquet') === true)) problems.push(problem('Parquet is written into buckets only. Give --s3-bucket NAME, or another --format.', 'format'))
    if (output === undefined && compression !== undefined && compression !== 'none') problems.push(problem('The standard output is not compressed. Give --output FILE or --s3-bucket NAME, or leave --compression out.', 'compression'))
  }
  const isCsv = format === 'csv' || (format === undefined && /\.csv(\.gz|\.zst)?$/.test(output ?? ''))
  if (isCsv && columns === undefined && map === undefined) problems.push(problem('A csv needs the names of its columns. Give --columns id,city, or make the rows by --map.', 'format'))
  if (columns !== undefined) problems.push(...columnProblems(columns, isCsv, format === 'parquet'))
  return problems
}

export const COLUMN_TYPES: readonly string[] = ['string', 'integer', 'number', 'boolean', 'timestamp', 'json']

function columnProblems(columns: readonly string[], isCsv: boolean, isParquet: boolean): Problem[] {
  if (isCsv) return columns.some(column => column.includes(':')) ? [problem('The columns of a csv have names and no types. Write --columns id,city.', 'columns')] : []
  if (!isParquet) return [problem('--columns is for --format csv and --format parquet. Give one of them, or leave it out.', 'columns')]
  const wrong = columns.filter(column => !COLUMN_TYPES.includes(column.slice(column.lastIndexOf(':') + 1)) || !/.:/.test(column))
  return wrong.length === 0 ? [] : [problem(`Each column of parquet has a type of ${COLUMN_TYPES.join(', ')}. Write --columns id:integer,city:string; ${JSON.stringify(wrong[0])} is not so.`, 'columns')]
}

function notifyProblems({ source, brokers, 'notify-topic': topic, 'notify-url': url, 'notify-secret': secret, 's3-bucket': bucket }: Values): Problem[] {
  if (bucket === undefined) return []
  const problems: Problem[] = []
  if (topic !== undefined && url !== undefined) problems.push(problem('Objects are told to a topic or to a webhook, not both. Leave out --notify-topic or --notify-url.', 'notify-url'))
  if (topic !== undefined && source !== 'kafka' && brokers === undefined) problems.push(problem('--notify-topic needs to know where the topic is. Give --brokers.', 'notify-topic'))
  if (url !== undefined && !/^https?:\/\/./.test(url) && !url.startsWith('${')) problems.push(problem(`--notify-url takes an address that begins with https:// or http://, not ${JSON.stringify(url)}.`, 'notify-url'))
  if (url !== undefined && secret === undefined) problems.push(problem(`--notify-url needs a secret, which requests are signed with. Set ${variableOf('notify-secret')}.`, 'notify-url'))
  if (url === undefined && secret !== undefined) problems.push(problem(`${shownFlag('notify-secret')} is for a webhook. Give --notify-url, or leave it out.`, 'notify-secret'))
  return problems
}

function runProblems(values: Values): Problem[] {
  const { source, group, state, timeout, 's3-bucket': bucket, 'dry-run': dry, 'print-pipeline': print } = values
  const problems: Problem[] = []
  if (group !== undefined && state !== undefined && state !== 'none') {
    problems.push(problem('--group shares the partitions with other processes and lets the group keep what is done, --state keeps it here and reads all partitions. Give --group for several processes, each row at least once, or --state for one process, each row exactly once.', 'state'))
  }
  if (timeout !== undefined && source !== 'api' && bucket === undefined) problems.push(problem('--timeout is for answers of an API and of S3, and this run asks neither. Leave it out.', 'timeout'))
  if (dry === true && print === true) problems.push(problem('Give either --dry-run or --print-pipeline.', 'dry-run'))
  return problems
}

