/**
 * Targets of rows that stay in the columns: where a template makes them (a path, a key), what it reads is brought together for each row, and nothing else of it.
 *
 * Only plain paths below `event` are looked up in the columns. A template that asks for more, whether a field is there or for all of the event, has its sink take the object path;
 * so has a single row that the template fails on, which then says what is wrong.
 */
import type { Columns, Event, JsonValue } from '../../event/index.ts'
import type { Expr } from '../../expr/index.ts'
import type { SinkEncoding } from '../component.ts'
import type { CompiledTemplate } from '../prepare.ts'
import { originAt } from './document.ts'
import type { Document } from './document.ts'
import { staticPath } from './predicate.ts'

/** One value that the template reads below `event`. */
interface Read {
  readonly path: readonly string[]
  readonly from: { readonly kind: 'field'; readonly slot: number } | { readonly kind: 'number'; readonly column: number } | { readonly kind: 'value'; readonly value: JsonValue }
}

/** How rows are told apart. */
export interface Grouping {
  /** Throws where the row has no target. */
  target(event: Event): string
  readonly reads: readonly Read[]
  /** True where all rows have one target as long as the fields of a position that it reads (`places`) are the same. */
  readonly isSteady: boolean
  readonly places: readonly string[]
}

/** How a sink's rows are told apart where they are like `document`; undefined where columns can't tell. */
export function groupingOf({ target, template }: SinkEncoding, document: Document, slot: (path: readonly string[]) => number): Grouping | undefined {
  const found = template === undefined ? undefined : readBy(template)
  if (target === undefined || found === undefined) return undefined
  const reads: Read[] = []
  for (const path of found.paths) {
    const origin = originAt(document, path)
    if (origin?.kind === 'raw') reads.push({ path, from: { kind: 'field', slot: slot(origin.path) } })
    else if (origin?.kind === 'number') reads.push({ path, from: { kind: 'number', column: origin.column } })
    else if (origin?.kind === 'literal') reads.push({ path, from: { kind: 'value', value: JSON.parse(origin.json) as JsonValue } }) // A literal's JSON.
    else return undefined
  }
  return { target, reads, isSteady: found.isSteady, places: found.places }
}

interface Found {
  /** Below `event`; none begins another. */
  readonly paths: readonly (readonly string[])[]
  readonly isSteady: boolean
  readonly places: readonly string[]
}

/** What a template reads of an event; undefined where that is not known for sure. */
function readBy({ expressions }: CompiledTemplate): Found | undefined {
  const reader = new Reader()
  if (!expressions.every(({ expression }) => reader.read(expression.ast))) return undefined
  const paths = reader.paths.filter((path, at) => !reader.paths.some((other, index) => index !== at && (other.length < path.length || (other.length === path.length && index < at)) && other.every((part, depth) => part === path[depth])))
  return { paths, isSteady: reader.isSteady && paths.length === 0, places: reader.places }
}

class Reader {
  readonly paths: (readonly string[])[] = []
  readonly places: string[] = []
  isSteady = true

  /** False where a part can't be told. */
  read(node: Expr): boolean {
    const path = node.kind === 'select' && !node.test && !node.optional ? staticPath(node) : undefined
    if (path !== undefined && path.length > 0) {
      this.paths.push(path)
      return true
    }
    switch (node.kind) {
      case 'literal':
        return true
      case 'ident':
        // Anything but the fields of a position may be another for each row.
        this.isSteady = false
        return node.name !== 'event' && node.name !== '.event'
      case 'select':
        if (node.operand.kind === 'ident' && node.operand.name === 'position' && !node.test && !node.optional) {
          this.places.push(node.field)
          return true
        }
        return this.read(node.operand)
      case 'index':
        return this.read(node.operand) && this.read(node.index)
      case 'call':
        // The clock and others answer something else each time.
        this.isSteady = false
        return (node.target === undefined || this.read(node.target)) && node.args.every(arg => this.read(arg))
      case 'list':
        return node.items.every(item => this.read(item))
      default:
        // Variables of their own may have any name.
        return false
    }
  }
}

/** What expressions see as `event` of a row: what is read, and no more. */
export function valueFor({ reads }: Grouping, row: number, columns: Columns, numbers: readonly Float64Array[]): JsonValue {
  const value: Record<string, JsonValue | undefined> = Object.create(null) as Record<string, JsonValue | undefined> // Names may be any.
  for (const { path, from } of reads) {
    // As JSON.parse yields it: a number of the columns' own that is -0 is written as 0.
    const found = from.kind === 'field' ? (columns.value(from.slot, row) as JsonValue | undefined) : from.kind === 'number' ? (numbers[from.column]?.[row] ?? 0) + 0 : from.value
    if (found !== undefined) put(value, path, found)
  }
  return value
}

function put(into: Record<string, JsonValue | undefined>, path: readonly string[], value: JsonValue): void {
  let at = into
  for (const [depth, name] of path.entries()) {
    if (depth === path.length - 1) at[name] = value
    else at = (at[name] ??= Object.create(null)) as Record<string, JsonValue | undefined> // No path begins another, so what is here was made here.
  }
}
