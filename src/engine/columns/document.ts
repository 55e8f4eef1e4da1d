/**
 * What an event looks like at a place in the pipeline, in terms of the line that was scanned: the line with changes, or a new object.
 *
 * Stages are known when the plan is made, so their effect on the event is worked out once, here, and not for each row: an expression behind `set` reads the
 * new value, a `map` behind `enrich` copies from the table. At the end one program makes the bytes of a row.
 */
import type { Dictionary, Edit, EmitOp, ValueOp } from '../../event/index.ts'
import type { Operand } from './predicate.ts'

/** Where the value of a field comes from. */
export type Origin =
  /** The bytes of a path of the line. */
  | { readonly kind: 'raw'; readonly path: readonly string[] }
  /** A computed column. */
  | { readonly kind: 'number'; readonly column: number }
  | { readonly kind: 'literal'; readonly json: string }
  | { readonly kind: 'mask'; readonly path: readonly string[]; readonly op: Omit<Extract<ValueOp, { op: 'mask' }>, 'field' | 'op'> }
  /** A column of a table, by the ids of a look-up; undefined is the whole row. */
  | { readonly kind: 'entry'; readonly lookUp: number; readonly column: string | undefined }

type Change = { readonly path: readonly string[] } & ({ readonly change: 'set'; readonly origin: Origin } | { readonly change: 'remove' } | { readonly change: 'rename'; readonly key: string })

export type Document =
  | { readonly base: 'line'; readonly changes: readonly Change[] }
  | { readonly base: 'object'; readonly fields: readonly (readonly [name: string, origin: Origin])[] }

export const WHOLE_LINE: Document = { base: 'line', changes: [] }

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.length <= path.length && start.every((part, at) => part === path[at])
}

/** Where the value at a path comes from; undefined where that can't be said. */
export function originAt(document: Document, path: readonly string[]): Origin | undefined {
  if (document.base === 'object') {
    const field = document.fields.find(([name]) => name === path[0])
    return field === undefined ? undefined : below(field[1], path.slice(1))
  }
  for (const change of document.changes) {
    // Where the field was missing, the one that had the new name before is still there: only the row itself can tell.
    if (change.change === 'rename' && startsWith(path, [...change.path.slice(0, -1), change.key])) return undefined
    if (startsWith(path, change.path)) return change.change === 'set' ? below(change.origin, path.slice(change.path.length)) : undefined
    // An object that holds a changed field is neither what the line has nor known otherwise.
    if (startsWith(change.path, path)) return undefined
  }
  return { kind: 'raw', path }
}

function below(origin: Origin, rest: readonly string[]): Origin | undefined {
  if (rest.length === 0) return origin
  if (origin.kind === 'raw') return { kind: 'raw', path: [...origin.path, ...rest] }
  const [column] = rest
  return origin.kind === 'entry' && origin.column === undefined && rest.length === 1 && column !== undefined ? { ...origin, column } : undefined
}

/** What an expression reads at a path. `slot` answers the column of a path of the line. */
export function operandAt(document: Document, path: readonly string[], slot: (path: readonly string[]) => number): Operand | undefined {
  const origin = originAt(document, path)
  if (origin?.kind === 'raw') {
    return { kind: 'field', slot: slot(origin.path), parents: origin.path.slice(0, -1).map((_, at) => slot(origin.path.slice(0, at + 1))) }
  }
  if (origin?.kind === 'number') return { kind: 'number', column: origin.column }
  if (origin?.kind !== 'literal') return undefined
  const value: unknown = JSON.parse(origin.json)
  if (typeof value === 'string') return JSON.stringify(value) === `"${value}"` ? { kind: 'text', value } : undefined
  return typeof value === 'number' || typeof value === 'boolean' ? { kind: 'constant', value } : undefined
}

/** The document behind a change; undefined where columns can't follow it. */
export function changed(document: Document, change: Change): Document | undefined {
  if (document.base === 'object') return changedObject(document.fields, change)
  const target = change.change === 'rename' ? [...change.path.slice(0, -1), change.key] : undefined
  for (const [index, before] of document.changes.entries()) {
    const touches = [change.path, ...(target === undefined ? [] : [target])].some(path => startsWith(path, before.path) || startsWith(before.path, path))
    const renamed = before.change === 'rename' && [change.path, ...(target === undefined ? [] : [target])].some(path => startsWith(path, [...before.path.slice(0, -1), before.key]))
    if (!touches && !renamed) continue
    // The same field set again: the later value counts, in the earlier place.
    const again = before.change === 'set' && change.change === 'set' && before.path.length === change.path.length && startsWith(change.path, before.path)
    return again ? { base: 'line', changes: document.changes.map((one, at) => (at === index ? change : one)) } : undefined
  }
  return { base: 'line', changes: [...document.changes, change] }
}

function changedObject(fields: readonly (readonly [string, Origin])[], change: Change): Document | undefined {
  const [name] = change.path
  if (change.path.length !== 1 || name === undefined) return undefined
  const known = fields.some(([field]) => field === name)
  switch (change.change) {
    case 'remove':
      return { base: 'object', fields: fields.filter(([field]) => field !== name) }
    case 'set': {
      const { origin } = change
      return { base: 'object', fields: known ? fields.map(([field, before]) => [field, field === name ? origin : before] as const) : [...fields, [name, origin] as const] }
    }
    case 'rename':
      return known ? { base: 'object', fields: fields.filter(([field]) => field !== change.key || field === name).map(([field, origin]) => [field === name ? change.key : field, origin] as const) } : { base: 'object', fields }
  }
}

/** What a program is built with. */
export interface Materials {
  slot(path: readonly string[]): number
  readonly numbers: readonly Float64Array[]
  readonly ids: readonly Int32Array[]
  dictionary(lookUp: number, column: string | undefined): Dictionary
}

/** The operations that make a row of the document. */
export function operations(document: Document, materials: Materials): EmitOp[] {
  if (document.base === 'object') return objectOperations(document.fields, materials)
  if (document.changes.length === 0) return [{ op: 'line' }]
  const edits = document.changes.map((change): Edit => {
    const field = materials.slot(change.path)
    if (change.change === 'remove') return { edit: 'remove', field }
    return change.change === 'rename' ? { edit: 'rename', field, key: change.key } : { edit: 'set', field, value: [valueOperation(change.origin, materials)] }
  })
  return [{ op: 'edit', edits }]
}

function objectOperations(fields: readonly (readonly [string, Origin])[], materials: Materials): EmitOp[] {
  const ops: EmitOp[] = []
  let text = '{'
  fields.forEach(([name, origin], at) => {
    text += `${at === 0 ? '' : ','}${JSON.stringify(name)}:`
    const op = valueOperation(origin, materials)
    if (op.op === 'literal') text += op.text
    else {
      ops.push({ op: 'literal', text }, op)
      text = ''
    }
  })
  ops.push({ op: 'literal', text: `${text}}` })
  return ops
}

function valueOperation(origin: Origin, materials: Materials): ValueOp {
  switch (origin.kind) {
    case 'raw':
      return { op: 'raw', field: materials.slot(origin.path) }
    case 'number':
      return { op: 'number', values: materials.numbers[origin.column] ?? new Float64Array(0) }
    case 'literal':
      return { op: 'literal', text: origin.json }
    case 'mask':
      return { op: 'mask', field: materials.slot(origin.path), ...origin.op }
    case 'entry':
      return { op: 'entry', ids: materials.ids[origin.lookUp] ?? new Int32Array(0), dictionary: materials.dictionary(origin.lookUp, origin.column) }
  }
}

/** Every path of the line that the document's program touches, those of the objects around set and renamed fields included. */
export function pathsOf(document: Document): (readonly string[])[] {
  const origins = document.base === 'object' ? document.fields.map(([, origin]) => origin) : document.changes.flatMap(change => (change.change === 'set' ? [change.origin] : []))
  const paths = origins.flatMap(origin => (origin.kind === 'raw' || origin.kind === 'mask' ? [origin.path] : []))
  if (document.base === 'object') return paths
  for (const change of document.changes) {
    paths.push(change.path)
    for (let depth = 1; depth < change.path.length; depth++) paths.push(change.path.slice(0, depth))
    if (change.change === 'rename') paths.push([...change.path.slice(0, -1), change.key])
  }
  return paths
}
