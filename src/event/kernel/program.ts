/**
 * Checks a program against the rules in emit-ops.ts, and finds out what a row must have for it. Both scanners run only programs that passed here.
 */
import { SluiceError } from '../../base/index.ts'
import { MISSING, OBJECT, OK, STRING } from './columns.ts'
import type { Columns } from './columns.ts'
import type { Edit, EmitOp, MaskOp, ValueOp } from './emit-ops.ts'

/** Most operations of a program, values of edits included, and most edits of one operation. */
const OPS_MAX = 1024
export const EDITS_MAX = 64

/** One thing that a row must have. */
export type Need =
  | { readonly need: 'present' | 'string' | 'object'; readonly field: number }
  | { readonly need: 'finite'; readonly values: Float64Array }
  | { readonly need: 'entry'; readonly ids: Int32Array }

/** An edit with what its path leads to. */
export interface PlacedEdit {
  readonly edit: Edit
  readonly path: readonly string[]
  /** Column of the object around the field; -1 where it is the line's own. */
  readonly parent: number
  /** Column of the field that a rename overwrites. */
  readonly other: number
}

const refuse = (reason: string): never => {
  throw new SluiceError('INTERNAL', `The program can't be run on columns: ${reason}.`)
}

/** The edits of one operation with their places. Throws where they break the rules. */
export function placeEdits(edits: readonly Edit[], paths: readonly (readonly string[])[]): readonly PlacedEdit[] {
  if (edits.length > EDITS_MAX) refuse(`${edits.length} edits; ${EDITS_MAX} is the most`)
  const columnOf = (path: readonly string[]): number => paths.findIndex((other) => other.length === path.length && isWithin(path, other))
  const placed = edits.map((edit): PlacedEdit => {
    const path = pathOf(edit.field, paths)
    const around = path.slice(0, -1)
    const parent = around.length === 0 ? -1 : columnOf(around)
    if (edit.edit === 'set' && around.length > 0 && parent < 0) refuse(`the object around ${path.join('.')} is no column`)
    const other = edit.edit === 'rename' ? columnOf([...around, edit.key]) : -1
    if (edit.edit === 'rename' && other < 0) refuse(`${[...around, edit.key].join('.')}, the new name of ${path.join('.')}, is no column`)
    if (other === edit.field) refuse(`${path.join('.')} is renamed to itself`)
    return { edit, path, parent, other }
  })
  const touched = placed.flatMap(({ path, other }) => (other < 0 ? [path] : [path, paths[other] ?? path]))
  touched.forEach((path, at) => {
    const clash = touched.find((other, index) => index !== at && isWithin(path, other))
    if (clash !== undefined) refuse(`two edits meet at ${clash.join('.')}`)
  })
  return placed
}

/** What a row must have for the operations to make sense on it. Throws where an operation breaks the rules. */
export function needsOf(ops: readonly EmitOp[], paths: readonly (readonly string[])[]): readonly Need[] {
  const needs: Need[] = []
  let count = 0
  const visit = (op: EmitOp): void => {
    if (++count > OPS_MAX) refuse(`more than ${OPS_MAX} operations`)
    switch (op.op) {
      case 'raw':
        pathOf(op.field, paths)
        needs.push({ need: 'present', field: op.field })
        return
      case 'number':
        needs.push({ need: 'finite', values: op.values })
        return
      case 'entry':
        needs.push({ need: 'entry', ids: op.ids })
        return
      case 'mask':
        checkMask(op)
        pathOf(op.field, paths)
        needs.push({ need: 'string', field: op.field })
        return
      case 'edit':
        for (const { edit, parent } of placeEdits(op.edits, paths)) {
          if (edit.edit !== 'set') continue
          if (parent >= 0) needs.push({ need: 'object', field: parent })
          edit.value.forEach((value: ValueOp) => visit(value))
        }
        return
      case 'literal':
      case 'line':
        return
    }
  }
  ops.forEach(visit)
  return needs
}

/** See `Columns.split`. */
export function splitRows(columns: Columns, needs: readonly Need[], unfit: Uint8Array, selection: Int32Array, count: number, fit: Int32Array, rest: Int32Array): number {
  const { status } = columns
  for (let at = 0; at < count; at++) unfit[at] = status[selection[at] ?? 0] === OK ? 0 : 1
  for (const need of needs) markUnfit(columns, need, selection, count, unfit)
  let fits = 0
  let others = 0
  for (let at = 0; at < count; at++) {
    const row = selection[at] ?? 0
    if (unfit[at] === 0) fit[fits++] = row
    else rest[others++] = row
  }
  return fits
}

function markUnfit(columns: Columns, need: Need, selection: Int32Array, count: number, unfit: Uint8Array): void {
  if (need.need === 'finite') {
    for (let at = 0; at < count; at++) if (!Number.isFinite(need.values[selection[at] ?? 0])) unfit[at] = 1
  } else if (need.need === 'entry') {
    for (let at = 0; at < count; at++) if ((need.ids[selection[at] ?? 0] ?? -1) < 0) unfit[at] = 1
  } else {
    const { kind } = columns.field(need.field)
    if (need.need === 'present') {
      for (let at = 0; at < count; at++) if (kind[selection[at] ?? 0] === MISSING) unfit[at] = 1
    } else {
      const wanted = need.need === 'string' ? STRING : OBJECT
      for (let at = 0; at < count; at++) if (kind[selection[at] ?? 0] !== wanted) unfit[at] = 1
    }
  }
}

function pathOf(field: number, paths: readonly (readonly string[])[]): readonly string[] {
  return paths[field] ?? refuse(`there is no column ${field}`)
}

function checkMask({ first = 0, last = 0, from }: MaskOp): void {
  if (!Number.isInteger(first) || first < 0 || !Number.isInteger(last) || last < 0) refuse('a mask keeps a whole number of characters')
  if (from !== undefined && (last > 0 || !/^[ !#-[\]-~]$/.test(from))) refuse('`from` of a mask is one ASCII character other than quote and backslash, without `last`')
}

/** True where `inner` begins with all of `outer`. */
function isWithin(inner: readonly string[], outer: readonly string[]): boolean {
  return outer.length <= inner.length && outer.every((key, at) => key === inner[at])
}
