/** Compiles the expressions of a config to find what is wrong with them, and tells it at its place in the file. */
import { SluiceError } from '../base/index.ts'
import { templateParts } from '../engine/index.ts'
import type { Field } from '../engine/index.ts'
import { ExprError, compile } from '../expr/index.ts'
import type { ValueChecks } from './check-value.ts'
import type { Place } from './source-file.ts'
import { isEmpty, shown } from './tree.ts'
import type { Leaf } from './tree.ts'

/** What is known of the events that come to a stage. */
export interface EventSchema {
  /** As messages call it: the file's name. */
  readonly name: string
  readonly schema: Readonly<Record<string, unknown>>
}

/** The expression's text, or undefined where it is wrong. Numbers, true, false and null are expressions as they are written. */
export function checkExpression(leaf: Leaf, name: string, expect: Field<unknown>['x-expect'], checks: ValueChecks): string | undefined {
  if (isEmpty(leaf)) {
    checks.diagnostics.error('CONFIG_VALUE', leaf.place, `"${name}" must be an expression, not nothing.`, { expected: 'an expression' })
    return undefined
  }
  const source = typeof leaf.value === 'string' ? leaf.value : leaf.written
  return compiles(source, expect, leaf, 0, name, checks) ? source : undefined
}

/** The template's text, or undefined where it is wrong. */
export function checkTemplate(leaf: Leaf & { readonly value: string }, name: string, checks: ValueChecks): string | undefined {
  try {
    let right = true
    for (const part of templateParts(leaf.value)) {
      if (typeof part !== 'string') right = compiles(part.source, 'any', leaf, part.offset, name, checks) && right
    }
    return right ? leaf.value : undefined
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const message = leaf.made === undefined ? error.message : `A brace is not closed in ${shown(leaf)}.`
    checks.diagnostics.error('CONFIG_VALUE', leaf.place, `"${name}": ${message}`)
    return undefined
  }
}

function compiles(source: string, expect: Field<unknown>['x-expect'], leaf: Leaf, offset: number, name: string, checks: ValueChecks): boolean {
  try {
    compile(source, { ...(expect === undefined ? {} : { expect }), ...(checks.eventSchema === undefined ? {} : { schema: checks.eventSchema.schema }), functions: checks.functions })
    return true
  } catch (error) {
    if (!(error instanceof ExprError)) throw error
    report(error, leaf, offset, name, checks)
    return false
  }
}

function report(error: ExprError, leaf: Leaf, offset: number, name: string, checks: ValueChecks): void {
  const { diagnostics, eventSchema } = checks
  if (leaf.made?.open === true) {
    diagnostics.error(error.code, leaf.place, `${withoutSuggestion(error)} The expression is ${shown(leaf)}.`, { suggestion: error.suggestion })
    return
  }
  if (leaf.made !== undefined) {
    // The text holds what ${...} stood for, which may be secret: neither its words nor its places are told.
    diagnostics.error(error.code, leaf.place, `"${name}" is not a right expression once ${leaf.made.raw} has its value.`, { hint: 'Check the value; `sluice try` evaluates an expression by itself.' })
    return
  }
  const start = leaf.locate(offset + error.offset)
  const end = Math.max(start + 1, leaf.locate(offset + error.offset + error.length))
  const place: Place = { file: leaf.place.file, start, end }
  if (error.code === 'EXPR_UNKNOWN_FIELD' && eventSchema !== undefined) {
    diagnostics.error('CONFIG_UNKNOWN_FIELD', place, withoutSuggestion(error).replace(/^The schema has/, `The schema ${eventSchema.name} has`), { suggestion: error.suggestion })
    return
  }
  diagnostics.error(error.code, place, withoutSuggestion(error), { suggestion: error.suggestion })
}

/** The suggestion stands in a field of its own. */
function withoutSuggestion({ message, suggestion }: ExprError): string {
  return suggestion === undefined ? message : message.replace(` Did you mean "${suggestion}"?`, '')
}
