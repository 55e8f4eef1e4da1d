/**
 * `sluice try 'EXPRESSION'`: evaluates an expression, on an event or on many.
 *
 * The result is data and goes to standard output as JSON, one line per event. An expression that fails on an event says so on standard error;
 * the other events are still evaluated.
 */
import type { Command } from 'commander'
import { SluiceError } from '../../base/index.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import { readInput } from '../input.ts'
import { paint } from '../paint.ts'
import type { Session } from '../session.ts'

interface TryOptions {
  readonly event?: string
  readonly key?: string
  readonly header: readonly string[]
  readonly strict?: boolean
  readonly plugin: readonly string[]
}

export function define(command: Command, session: Session): void {
  command
    .argument('<expression>', 'the expression, in quotes')
    .option('-e, --event <file>', 'JSON or NDJSON file with the events to evaluate on; - reads standard input')
    .option('-k, --key <text>', 'what `key` is')
    .option('-H, --header <name=value>', 'an entry of `headers`; may be repeated', (value: string, all: string[]) => [...all, value], [])
    .option('-p, --plugin <name>', 'with the functions of this plug-in; may be repeated', (name: string, all: readonly string[]) => [...all, name], [])
    .option('--strict', 'follow the CEL standard to the letter in number types')
    .addHelpText('after', "\nExamples:\n  sluice try '1 + 2 * 3'\n  sluice try 'event.delay > 60 ? \"late\" : \"on time\"' --event flights.ndjson\n")
    .action((expression: string, options: TryOptions) => evaluate(expression, options, session))
}

async function evaluate(source: string, options: TryOptions, session: Session): Promise<void> {
  const { compile, toJson } = await import('../../expr/index.ts')
  const { registry } = options.plugin.length === 0 ? { registry: undefined } : await (await import('../plugins.ts')).knownComponents(options, session)
  const { functions } = registry ?? {}
  const colors = paint(session.io.stderr.colors)
  const expression = withFrame(source, () => compile(source, options.strict === true ? { mode: 'strict', functions } : { functions }))
  const headers = headersOf(options.header)
  const events = options.event === undefined ? [null] : readEvents(options.event, session)
  events.forEach((event, place) => {
    try {
      const result = expression.evaluate({ event, key: options.key, headers, time: undefined, position: place })
      session.io.stdout.write(`${JSON.stringify(toJson(result))}\n`)
    } catch (error) {
      if (events.length === 1) withFrame(source, () => { throw error })
      session.exitCode = EXIT.failed
      session.io.stderr.write(`${colors.yellow(`event ${place + 1}`)}  ${error instanceof SluiceError ? `${error.code}  ${error.message}` : String(error)}\n`)
    }
  })
}

/** Adds the expression with its faulty place marked to an error that knows the place. */
function withFrame<T>(source: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof SluiceError) || !hasPlace(error)) throw error
    throw new UsageError(error.code, `${error.message}\n${frame(source, error.offset, error.length)}`, error.suggestion === undefined ? undefined : `Did you mean "${error.suggestion}"?`)
  }
}

function hasPlace(error: SluiceError): error is SluiceError & { readonly offset: number; readonly length: number; readonly suggestion?: string } {
  return 'offset' in error && typeof error.offset === 'number' && 'length' in error && typeof error.length === 'number'
}

/** The line of the expression that holds the place, with a mark below it. */
export function frame(source: string, offset: number, length: number): string {
  const start = source.lastIndexOf('\n', offset - 1) + 1
  const end = source.indexOf('\n', start)
  const line = source.slice(start, end < 0 ? undefined : end)
  const at = Math.min(offset - start, line.length)
  return `  ${line}\n  ${' '.repeat(at)}${'~'.repeat(Math.max(1, Math.min(length, line.length - at)))}`
}

function headersOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(pairs.map(pair => {
    const at = pair.indexOf('=')
    if (at <= 0) throw new UsageError('CLI_USAGE', `The header "${pair}" is not of the form name=value.`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  }))
}

/** One JSON value, or one per line. */
function readEvents(file: string, session: Session): readonly unknown[] {
  const text = readInput(file, session.io)
  const whole = parsed(text)
  if (whole !== undefined) return [whole.value]
  return text.split('\n').flatMap((line, place) => {
    if (line.trim() === '') return []
    const event = parsed(line)
    if (event === undefined) throw new UsageError('CLI_INPUT', `Line ${place + 1} of ${file} is not JSON.`)
    return [event.value]
  })
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}
