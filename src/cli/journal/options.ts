/** What `--log-level` and `--log-format` say, or SLUICE_LOG_LEVEL and SLUICE_LOG_FORMAT where they are not given. */
import { Option } from 'commander'
import type { Level } from '../../observe/index.ts'
import { LOG_FORMATS, LOG_LEVELS } from './journal.ts'
import type { JournalOptions, LogFormat } from './journal.ts'

export interface LogOptions {
  readonly logLevel?: Level
  readonly logFormat?: LogFormat
  /** Warnings and errors only. */
  readonly quiet?: boolean
}

/** The two options of a command that runs something. */
export function logOptions(): { readonly level: Option; readonly format: Option } {
  return {
    level: new Option('--log-level <level>', 'least level of what is told on standard error').choices(LOG_LEVELS).env('SLUICE_LOG_LEVEL'),
    format: new Option('--log-format <format>', 'form of what is told: pretty, lines for people, or json, one record a line').choices(LOG_FORMATS).env('SLUICE_LOG_FORMAT'),
  }
}

export function journalOptions({ logLevel, logFormat, quiet }: LogOptions): JournalOptions {
  return { level: logLevel ?? (quiet === true ? 'warn' : 'info'), format: logFormat ?? 'pretty' }
}
