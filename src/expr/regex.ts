/** Regular expressions in linear time (RE2's syntax). Compiled patterns are kept; the library is loaded at the first use. */
import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'
import { evalError } from './values.ts'

const require = createRequire(import.meta.url)
const PATTERNS_MAX = 1000
const PATTERN_LENGTH_MAX = 10_000
const patterns = new Map<string, RE2JS>()
let library: typeof import('re2js') | undefined

/** The compiled pattern. Throws EXPR_ARGUMENT where it is not one. */
export function compilePattern(pattern: string): RE2JS {
  const known = patterns.get(pattern)
  if (known !== undefined) return known
  if (pattern.length > PATTERN_LENGTH_MAX) throw evalError('EXPR_ARGUMENT', `A regular expression of ${pattern.length} characters; ${PATTERN_LENGTH_MAX} is the most.`)
  library ??= require('re2js') as typeof import('re2js') // The package's own types.
  let compiled: RE2JS
  try {
    compiled = library.RE2JS.compile(pattern)
  } catch (error) {
    throw evalError('EXPR_ARGUMENT', `Not a regular expression: ${JSON.stringify(pattern)} (${error instanceof Error ? error.message : String(error)}).`)
  }
  if (patterns.size >= PATTERNS_MAX) patterns.clear()
  patterns.set(pattern, compiled)
  return compiled
}
