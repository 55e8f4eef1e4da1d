/**
 * What a person sees of an error: what happened, where, what to do, and the code to ask more about. A stack only for a fault of Sluice itself.
 *
 *     error FILE_MISSING  /srv/flights.ndjson is not there.
 *       where  flights
 *       cure   Check the path; it is resolved against the folder of the pipeline.
 */
import { ERRORS, SluiceError, withoutPasswords } from '../base/index.ts'
import type { ErrorCode } from '../base/index.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Paint } from './paint.ts'

/** An error of the command line, with what may have been meant. */
export class UsageError extends SluiceError {
  readonly suggestion: string | undefined

  constructor(code: ErrorCode, message: string, suggestion?: string) {
    super(code, message)
    this.name = 'UsageError'
    this.suggestion = suggestion
  }
}

const USAGE_PREFIXES = ['CLI_', 'CONFIG_', 'PLAN_', 'PLUGIN_', 'EXPR_']

/** Wrong use and wrong config are told apart from a run that failed. */
export function exitCodeOf(error: unknown): ExitCode {
  const code = codeOf(error)
  return code !== undefined && USAGE_PREFIXES.some(prefix => code.startsWith(prefix)) ? EXIT.usage : EXIT.failed
}

export function describeError(error: unknown, paint: Paint): string {
  const code = codeOf(error) ?? 'INTERNAL'
  if (isListOfProblems(error, code)) return `${paint.red('error')}  ${messageOf(error).replace('\n', '\n\n').trimEnd()}\n`
  const lines = [`${paint.red('error')} ${paint.bold(code)}  ${messageOf(error)}`]
  const row = (name: string, text: string): void => void lines.push(`  ${paint.dim(name.padEnd(5))}  ${text.replaceAll('\n', '\n         ')}`)
  if (error instanceof SluiceError && error.place !== undefined) row('where', error.place)
  if (error instanceof SluiceError && error.cause !== undefined && !messageOf(error).includes(messageOf(error.cause))) row('cause', messageOf(error.cause))
  if (error instanceof UsageError && error.suggestion !== undefined) row('hint', error.suggestion)
  row('cure', ERRORS[code].cure)
  if (code === 'INTERNAL' && error instanceof Error && error.stack !== undefined) row('stack', error.stack.split('\n').slice(1).map(line => line.trim()).join('\n'))
  return lines.join('\n') + '\n'
}

/** All problems of a config in one error: each has its own code, place and hint already. */
function isListOfProblems(error: unknown, code: ErrorCode): boolean {
  return (code.startsWith('CONFIG_') || code.startsWith('PLUGIN_')) && /^The pipeline has .+:\n/.test(messageOf(error))
}

/** The registered code of an error. Errors that crossed a thread are plain and carry it in a field. */
export function codeOf(error: unknown): ErrorCode | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' && isErrorCode(code) ? code : undefined
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}

function messageOf(error: unknown): string {
  return withoutPasswords(error instanceof Error ? error.message : String(error))
}
