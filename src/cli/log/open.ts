/** Opens the log that a command works on: a folder, or an address of Apache Kafka. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { parseDuration } from '../../base/index.ts'
import type { Log, Start } from '../../log/index.ts'
import { UsageError } from '../failure.ts'
import { messagesTo } from '../session.ts'
import type { Session } from '../session.ts'

const DEFAULT_LOG = './sluice-data'

export interface LogOptions {
  readonly log?: string
}

export function addLogOption(command: Command): Command {
  return command.addOption(new Option('--log <place>', `folder of the log, or kafka://host:port (default "${DEFAULT_LOG}")`).env('SLUICE_LOG'))
}

/** Does `work` with the log and closes it. `makes`: a folder that is not there is made. */
export async function withLog<T>({ log: given }: LogOptions, session: Session, work: (log: Log) => Promise<T>, makes = false): Promise<T> {
  const { io } = session
  const place = given ?? DEFAULT_LOG
  const isFolder = !place.startsWith('kafka://')
  const at = isFolder ? resolve(io.folder, place) : place
  if (isFolder && !makes && !existsSync(join(at, 'meta'))) {
    throw new UsageError('CLI_FILE_MISSING', `There is no log in ${place}.`, 'Name its folder, or an address such as kafka://localhost:9092, by --log or SLUICE_LOG; sluice topic create makes one.')
  }
  const { openLog } = await import('../../log/index.ts')
  const log = await openLog(at, { warn: message => messagesTo(io).warn(message) })
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

/** `earliest`, `latest`, an offset, a time (2026-01-31T10:00:00Z), or how long ago (-15m). Throws CLI_USAGE. */
export function startOf(text: string, option: string, now: number): Start {
  if (text === 'earliest' || text === 'latest') return text
  if (/^\d+$/.test(text)) return BigInt(text)
  const ago = text.startsWith('-') ? parseDuration(text.slice(1)) : undefined
  if (ago !== undefined) return { time: now - ago }
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(time)) return { time }
  throw new UsageError('CLI_USAGE', `${option} takes earliest, latest, an offset, a time such as 2026-01-31T10:00:00Z, or how long ago, such as -15m; not "${text}".`)
}

/** A whole number of at least `least`. Throws CLI_USAGE. */
export function wholeNumber(option: string, least: number): (text: string) => number {
  return text => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN
    if (!(number >= least && number <= Number.MAX_SAFE_INTEGER)) throw new UsageError('CLI_USAGE', `${option} takes a whole number from ${least} on, not "${text}".`)
    return number
  }
}

/** Adds a whole number to those given before. */
export function collectNumbers(option: string): (text: string, before: readonly number[]) => number[] {
  const parse = wholeNumber(option, 0)
  return (text, before) => [...before, parse(text)]
}

/** Rows as text, each column as wide as its widest cell; numbers stand to the right. */
export function tableText(heads: readonly string[], rows: readonly (readonly (string | number | bigint)[])[]): string {
  const cells = [heads, ...rows.map(row => row.map(String))]
  const widths = heads.map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)))
  const toTheRight = heads.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] !== 'string'))
  const line = (row: readonly string[]): string => row.map((cell, column) => (toTheRight[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()
  return cells.map(row => `${line(row)}\n`).join('')
}

/** One JSON object a line; offsets are texts where a number can't hold them. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? (each <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(each) : each.toString()) : each))}\n`
}
