/** Values given on the command line: `--set key=value`. */
import { UsageError } from './failure.ts'

/** By key; `a.b` names a value inside another. */
export type Settings = Readonly<Record<string, string>>

/** Adds one `key=value` to those before. */
export function collectSettings(pair: string, before: Settings): Settings {
  const at = pair.indexOf('=')
  if (at <= 0) throw new UsageError('CLI_USAGE', `--set takes key=value, not "${pair}".`, 'For example: --set memory=256MiB')
  return { ...before, [pair.slice(0, at).trim()]: pair.slice(at + 1) }
}
