/**
 * What is wrong with a pipeline's config: every problem with its place, in words for the person who wrote it.
 *
 *     late-flights.yaml:9:13  CONFIG_UNKNOWN_FIELD
 *        9 |   - filter: event.dealy > 60
 *          |             ~~~~~~~~~~~
 *       The schema flight.schema.json has no field "dealy". Did you mean "delay"?
 */
import type { ErrorCode } from '../base/index.ts'
import type { Place } from './source-file.ts'

export interface Diagnostic {
  readonly severity: 'error' | 'warning'
  readonly code: ErrorCode
  /** What is wrong, in one or two sentences. Never holds a value that came from the environment or a secret file. */
  readonly message: string
  /** As it was named on the command line, or seen from the working folder. */
  readonly file: string
  /** From 1; likewise `column`. */
  readonly line: number
  readonly column: number
  /** Code units that are marked; at least 1, and never beyond the line. */
  readonly length: number
  /** What would be right there. */
  readonly expected?: string
  /** What may have been meant. */
  readonly suggestion?: string
  /** What to do, where the message does not say it. */
  readonly hint?: string
  /** The line itself. Absent where there is none to show. */
  readonly frame?: string
}

/** What else there is to say of a problem. */
export interface Advice {
  readonly expected?: string | undefined
  readonly suggestion?: string | undefined
  readonly hint?: string | undefined
  /** True where what stands there must not be shown. */
  readonly secret?: boolean
}

/** Problems beyond this number are counted, not kept. */
export const DIAGNOSTICS_MAX = 200

/** Collects problems while a config is read. */
export class Diagnostics {
  readonly #kept: Diagnostic[] = []
  readonly #seen = new Set<string>()
  #errors = 0
  #left = 0

  error(code: ErrorCode, place: Place, message: string, advice: Advice = {}): void {
    this.#add(diagnose('error', code, place, message, advice))
  }

  warning(code: ErrorCode, place: Place, message: string, advice: Advice = {}): void {
    this.#add(diagnose('warning', code, place, message, advice))
  }

  get errors(): number {
    return this.#errors
  }

  /** How many were found beyond those that are kept. */
  get left(): number {
    return this.#left
  }

  /** Runs checks that leave no trace here; answers how many errors they found. */
  trial(run: (trial: Diagnostics) => void): number {
    const trial = new Diagnostics()
    run(trial)
    return trial.errors
  }

  /** By place; files in the order in which they first had a problem. */
  list(): readonly Diagnostic[] {
    const files = [...new Set(this.#kept.map(one => one.file))]
    return [...this.#kept].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column)
  }

  #add(found: Diagnostic): void {
    const identity = `${found.code} ${found.file}:${found.line}:${found.column} ${found.message}`
    if (this.#seen.has(identity)) return
    this.#seen.add(identity)
    if (found.severity === 'error') this.#errors++
    if (this.#kept.length < DIAGNOSTICS_MAX) this.#kept.push(found)
    else this.#left++
  }
}

function diagnose(severity: Diagnostic['severity'], code: ErrorCode, place: Place, message: string, advice: Advice): Diagnostic {
  const { line, column } = place.file.position(place.start)
  const written = place.file.line(line)
  const text = advice.secret === true ? `${written.slice(0, column - 1)}***${written.slice(column - 1 + place.end - place.start)}` : written
  const length = Math.max(1, Math.min(advice.secret === true ? 3 : place.end - place.start, text.length - column + 1))
  return {
    severity, code, message, file: place.file.name, line, column, length,
    ...(advice.expected === undefined ? {} : { expected: advice.expected }),
    ...(advice.suggestion === undefined ? {} : { suggestion: advice.suggestion }),
    ...(advice.hint === undefined ? {} : { hint: advice.hint }),
    ...(text.trim() === '' ? {} : { frame: text.trimEnd() }),
  }
}

/** Colours a part of a rendered diagnostic. */
export type DiagnosticPaint = (part: 'place' | 'error' | 'warning' | 'frame' | 'mark', text: string) => string

/** One problem as people read it, with a line end. */
export function renderDiagnostic(diagnostic: Diagnostic, paint: DiagnosticPaint = (_part, text) => text): string {
  const { severity, code, message, file, line, column, length, suggestion, hint, frame } = diagnostic
  const name = severity === 'warning' ? `warning ${code}` : code
  const lines = [`${paint('place', `${file}:${line}:${column}`)}  ${paint(severity, name)}`]
  if (frame !== undefined) {
    const number = String(line).padStart(4)
    const shown = cut(frame, column, length)
    const pad = shown.text.slice(0, shown.column - 1).replace(/[^\t]/g, ' ')
    lines.push(paint('frame', `${number} | ${shown.text}`), `${paint('frame', `${' '.repeat(number.length)} | `)}${pad}${paint('mark', '~'.repeat(shown.length))}`)
  }
  lines.push(`  ${message}${suggestion === undefined ? '' : ` Did you mean "${suggestion}"?`}`)
  if (hint !== undefined) lines.push(`  ${hint}`)
  return `${lines.join('\n')}\n`
}

/** All problems, an empty line between them. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], paint?: DiagnosticPaint): string {
  return diagnostics.map(one => renderDiagnostic(one, paint)).join('\n')
}

const FRAME_MAX = 160
const BEFORE_MARK = 40

/** A very long line is cut round its mark. */
function cut(frame: string, column: number, length: number): { readonly text: string; readonly column: number; readonly length: number } {
  if (frame.length <= FRAME_MAX) return { text: frame, column, length }
  const start = Math.max(0, column - 1 - BEFORE_MARK)
  const end = Math.min(frame.length, start + FRAME_MAX)
  const text = `${start > 0 ? '…' : ''}${frame.slice(start, end)}${end < frame.length ? '…' : ''}`
  const at = column - start + (start > 0 ? 1 : 0)
  return { text, column: at, length: Math.max(1, Math.min(length, end - (column - 1))) }
}
