/**
 * What is wrong with a pipeline's config: every problem with its place, in words for the person who wrote it.
 *
 *     late-flights.yaml:9:13  CONFIG_UNKNOWN_FIELD
 *        9 |   - filter: event.dealy > 60
 *          |             ~~~~~~~~~~~
 *       The schema flight.schema.json has no field "dealy". Did you mean "delay"?
 */
import { withoutPasswords } from '../base/index.ts'
import type { ErrorCode } from '../base/index.ts'
import { secretPlaces } from './secret-places.ts'
import type { Stretch } from './secret-places.ts'
import type { Place, SourceFile } from './source-file.ts'

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
  /** The line itself, with `***` for secrets. Absent where there is none to show. */
  readonly frame?: string
  /** Column of the mark in the frame, where hidden secrets have moved it. */
  readonly mark?: number
}

/** What else there is to say of a problem. */
export interface Advice {
  readonly expected?: string | undefined
  readonly suggestion?: string | undefined
  readonly hint?: string | undefined
}

/** Problems beyond this number are counted, not kept. */
export const DIAGNOSTICS_MAX = 200

/** Collects problems while a config is read. */
export class Diagnostics {
  readonly #kept: Found[] = []
  readonly #secrets: Secrets
  readonly #seen = new Set<string>()
  #errors = 0
  #left = 0

  constructor(secrets = new Secrets()) {
    this.#secrets = secrets
  }

  error(code: ErrorCode, place: Place, message: string, advice: Advice = {}): void {
    this.#add({ severity: 'error', code, place, message, advice })
  }

  warning(code: ErrorCode, place: Place, message: string, advice: Advice = {}): void {
    this.#add({ severity: 'warning', code, place, message, advice })
  }

  get errors(): number {
    return this.#errors
  }

  /** What stands there is a secret: no problem shows it, be it told before or after. */
  conceal(place: Place): void {
    this.#secrets.add(place.file, place)
  }

  /** The same, of all that stands in a text behind a name that means a secret. `unclear`: see `secretPlaces`. */
  concealIn(file: SourceFile, unclear?: Stretch): void {
    for (const stretch of secretPlaces(file.text, unclear)) this.#secrets.add(file, stretch)
  }

  /** How many were found beyond those that are kept. */
  get left(): number {
    return this.#left
  }

  /** Runs checks that leave no trace here; answers how many errors they found. */
  trial(run: (trial: Diagnostics) => void): number {
    const trial = new Diagnostics(this.#secrets)
    run(trial)
    return trial.errors
  }

  /** By place; files in the order in which they first had a problem. */
  list(): readonly Diagnostic[] {
    const all = this.#kept.map(one => diagnose(one, this.#secrets))
    const files = [...new Set(all.map(one => one.file))]
    return all.sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column)
  }

  #add(found: Found): void {
    const identity = `${found.code} ${found.place.file.name}:${found.place.start} ${found.message}`
    if (this.#seen.has(identity)) return
    this.#seen.add(identity)
    if (found.severity === 'error') this.#errors++
    if (this.#kept.length < DIAGNOSTICS_MAX) this.#kept.push(found)
    else this.#left++
  }
}

/** A problem as it was found. How it looks is settled at the end, when all secrets are known. */
interface Found {
  readonly severity: Diagnostic['severity']
  readonly code: ErrorCode
  readonly place: Place
  readonly message: string
  readonly advice: Advice
}

/** What must not be shown: stretches of files, and what stands there. */
class Secrets {
  readonly #stretches = new Map<SourceFile, Stretch[]>()
  readonly #values = new Set<string>()

  add(file: SourceFile, { start, end }: Stretch): void {
    const stretches = this.#stretches.get(file) ?? []
    if (stretches.some(one => one.start === start && one.end === end)) return
    stretches.push({ start, end })
    this.#stretches.set(file, stretches)
    // Of a short one as much would be hidden that is none.
    for (const line of file.text.slice(start, end).split('\n')) {
      // Messages quote it without what marks it in YAML.
      const value = line.trim().replace(/^["'*&!]+|["']$/g, '')
      if (value.length >= 5 && !/^\$\{[^:}]*\}$/.test(value)) this.#values.add(value)
    }
  }

  hidden(text: string): string {
    let result = text
    for (const value of this.#values) result = result.replaceAll(value, '***')
    return withoutPasswords(result)
  }

  /** The stretches of a line that are to be hidden, as offsets in it, from the last to the first; none overlaps another. */
  in(file: SourceFile, from: number, to: number): Stretch[] {
    const inside = (this.#stretches.get(file) ?? []).filter(({ start, end }) => start < to && end > from).map(({ start, end }) => ({ start: Math.max(start, from) - from, end: Math.min(end, to) - from }))
    const apart: { start: number; end: number }[] = []
    for (const one of inside.sort((a, b) => a.start - b.start)) {
      const last = apart.at(-1)
      if (last !== undefined && one.start < last.end) last.end = Math.max(last.end, one.end)
      else apart.push({ ...one })
    }
    return apart.reverse()
  }
}

function diagnose({ severity, code, place, message, advice }: Found, secrets: Secrets): Diagnostic {
  const { line, column } = place.file.position(place.start)
  const frame = frameOf(place, secrets)
  return {
    severity, code, message: secrets.hidden(message), file: place.file.name, line, column, length: frame.length,
    ...(advice.expected === undefined ? {} : { expected: secrets.hidden(advice.expected) }),
    ...(advice.suggestion === undefined ? {} : { suggestion: secrets.hidden(advice.suggestion) }),
    ...(advice.hint === undefined ? {} : { hint: secrets.hidden(advice.hint) }),
    ...(frame.text.trim() === '' ? {} : { frame: frame.text.trimEnd(), ...(frame.column === column ? {} : { mark: frame.column }) }),
  }
}

/** The line with `***` for each secret, and where its mark is then. */
function frameOf({ file, start, end }: Place, secrets: Secrets): { readonly text: string; readonly column: number; readonly length: number } {
  const position = file.position(start)
  const from = start - (position.column - 1)
  let text = file.line(position.line)
  let [first, last] = [position.column - 1, Math.min(text.length, position.column - 1 + Math.max(1, end - start))]
  for (const hidden of secrets.in(file, from, from + text.length)) {
    text = `${text.slice(0, hidden.start)}***${text.slice(hidden.end)}`
    first = moved(first, hidden, 'start')
    last = moved(last, hidden, 'end')
  }
  const shown = withoutPasswords(text)
  return { text: shown, column: first + 1, length: Math.max(1, Math.min(last - first, shown.length - first)) }
}

/** Where an offset is once a stretch has become three characters. */
function moved(at: number, { start, end }: Stretch, side: 'start' | 'end'): number {
  if (at <= start) return at
  if (at >= end) return at - (end - start) + 3
  return side === 'start' ? start : start + 3
}

/** Colours a part of a rendered diagnostic. */
export type DiagnosticPaint = (part: 'place' | 'error' | 'warning' | 'frame' | 'mark', text: string) => string

/** One problem as people read it, with a line end. */
export function renderDiagnostic(diagnostic: Diagnostic, paint: DiagnosticPaint = (_part, text) => text): string {
  const { severity, code, message, file, line, column, mark = column, length, suggestion, hint, frame } = diagnostic
  const name = severity === 'warning' ? `warning ${code}` : code
  const lines = [`${paint('place', `${file}:${line}:${column}`)}  ${paint(severity, name)}`]
  if (frame !== undefined) {
    const number = String(line).padStart(4)
    const shown = cut(frame, mark, length)
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
