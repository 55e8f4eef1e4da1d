/**
 * Where the notices of a run go: lines for people, or one JSON record each. What repeats is counted.
 *
 *     notice -> level high enough? -> Repeats -> pretty: a line | json: a record
 *
 * The form for people leaves out what the command shows by itself: that a run begins, how far it is, and how it ended.
 */
import { Repeats, isTold, visible } from '../../observe/index.ts'
import type { Level, Notice } from '../../observe/index.ts'
import { systemClock } from '../../platform/index.ts'
import type { Io } from '../io.ts'
import { paint } from '../paint.ts'
import { messageText } from '../session.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const
export const LOG_FORMATS = ['pretty', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface JournalOptions {
  readonly level: Level
  readonly format: LogFormat
}

export interface Journal extends JournalOptions {
  tell(notice: Notice): void
  /** Takes lines for people instead of standard error, from now on: a display that owns the terminal. */
  show(print: (text: string) => void): void
  /** Tells what was held back. */
  close(): void
}

/** Shown in another way on a terminal, or of no use there. */
const SHOWN_OTHERWISE = new Set<Notice['kind']>(['start', 'running', 'progress', 'stop', 'failed'])

export async function openJournal(io: Io, { level, format }: JournalOptions): Promise<Journal> {
  let print = (text: string): void => io.stderr.write(text)
  const colors = paint(io.stderr.colors)
  const pretty = (notice: Notice): void => {
    if (level === 'trace' || !SHOWN_OTHERWISE.has(notice.kind)) print(messageText(notice.level, visible(lineOf(notice)), colors))
  }
  const write = format === 'pretty' ? pretty : await jsonTo(io, level)
  const repeats = new Repeats(write, systemClock)
  return {
    level, format,
    tell: notice => {
      if (isTold(notice.level, level)) repeats.take(notice)
    },
    show: to => {
      print = to
    },
    close: () => repeats.close(),
  }
}

/** True where warnings and errors alone are told. */
export function isQuiet({ level }: Journal): boolean {
  return !isTold('info', level)
}

/** True where the command itself says how a run ended. */
export function showsSummary(journal: Journal | undefined): boolean {
  return journal === undefined || (!isQuiet(journal) && journal.format === 'pretty')
}

function lineOf({ place, text }: Notice): string {
  return place === undefined || place === '' ? text : `${place}: ${text}`
}

async function jsonTo(io: Io, level: Level): Promise<(notice: Notice) => void> {
  const { recordsTo } = await import('./records.ts')
  return recordsTo(text => io.stderr.write(text), level)
}
