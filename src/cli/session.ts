/** What a command is given, and what it leaves behind: the exit code. One per call of `sluice`. */
import { Messages } from '../observe/index.ts'
import type { Level } from '../observe/index.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import type { Journal } from './journal/journal.ts'
import { paint } from './paint.ts'
import type { Paint } from './paint.ts'

export interface Session {
  readonly io: Io
  readonly version: string
  exitCode: ExitCode
  /** Where a run's notices go, once one has begun: what ends the command is then told there too. */
  journal?: Journal
}

export function newSession(io: Io, version: string): Session {
  return { io, version, exitCode: EXIT.done }
}

/** A message on standard error, in the colours of its level. */
export function messageText(level: Level, text: string, colors: Paint): string {
  if (level === 'info') return `${text}\n`
  if (level === 'debug' || level === 'trace') return `${colors.dim(text)}\n`
  const name = level === 'warn' ? colors.yellow('warning') : colors.red('error')
  return `${name}  ${text}\n`
}

/** Messages to standard error. */
export function messagesTo(io: Io, least: Level = 'info'): Messages {
  const colors = paint(io.stderr.colors)
  return new Messages((level, text) => io.stderr.write(messageText(level, text, colors)), least)
}
