/** Tests over columns that are not compiled from plain comparisons. */
import { compileSlots } from '../../expr/index.ts'
import type { Expression } from '../../expr/index.ts'
import type { Columns } from '../../event/index.ts'
import { NO, UNSURE, YES } from './predicate.ts'
import type { Resolve, Test } from './predicate.ts'

/** Numbers of the kinds that the scan tells apart. */
const KINDS: Readonly<Record<string, readonly number[]>> = { null: [1], boolean: [2, 3], number: [4, 8], string: [5, 9], object: [6], array: [7] }

/** The field is of one of these kinds. Everything else is unsure: the object path has the message. */
export function checkKind(slot: number, parent: number | undefined, kinds: readonly string[], optional: boolean): Test {
  const allowed = new Uint8Array(16)
  for (const kind of kinds) for (const number of KINDS[kind] ?? []) allowed[number] = 1
  if (optional) allowed[0] = 1
  return (columns, _computed, rows, n, out) => {
    const { kind } = columns.field(slot)
    const around = parent === undefined ? undefined : columns.field(parent).kind
    for (let at = 0; at < n; at++) {
      const row = rows[at] ?? 0
      out[at] = allowed[kind[row] ?? 0] === 1 && (around === undefined || around[row] === 6) ? YES : UNSURE
    }
  }
}

/** If the field is a number, it lies within the bounds. Fields of other kinds pass: another check is for them. */
export function checkRange(slot: number, minimum: number, maximum: number): Test {
  return (columns, _computed, rows, n, out) => {
    const { kind, number } = columns.field(slot)
    for (let at = 0; at < n; at++) {
      const row = rows[at] ?? 0
      const value = number[row] ?? 0
      const of = kind[row]
      out[at] = of === 4 ? (value >= minimum && value <= maximum ? YES : UNSURE) : of === 8 ? UNSURE : YES
    }
  }
}

/** Any condition whose paths are all fields of the line: evaluated by the expression itself, over values read from the columns. */
export function slotTest({ ast, functions }: Pick<Expression, 'ast' | 'functions'>, resolve: Resolve): Test | undefined {
  const compiled = compileSlots(ast, { functions })
  if (compiled === undefined) return undefined
  const slots: number[] = []
  for (const path of compiled.paths) {
    const operand = resolve(path)
    if (operand?.kind !== 'field') return undefined
    slots.push(operand.slot)
  }
  let columns: Columns | undefined
  let row = 0
  const read = (slot: number): unknown => columns?.value(slots[slot] ?? 0, row)
  return (of, _computed, rows, n, out) => {
    columns = of
    for (let at = 0; at < n; at++) {
      row = rows[at] ?? 0
      out[at] = settle(() => compiled.evaluate(read))
    }
  }
}

function settle(evaluate: () => unknown): number {
  try {
    const value = evaluate()
    return value === true ? YES : value === false ? NO : UNSURE
  } catch {
    return UNSURE
  }
}
