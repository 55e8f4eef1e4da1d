/**
 * Finds what is surely wrong before any event comes: types that never fit, and fields that the schema of `event` does not know.
 *
 * Types are inferred where they are certain; everything that comes from an event is `dyn` unless the schema says more. The check accepts what could work.
 */
import { suggest } from '../base/index.ts'
import type { Expr } from './ast.ts'
import { ExprError } from './error.ts'
import { FUNCTIONS } from './functions/index.ts'
import type { ExprOptions } from './index.ts'

type Type = 'bool' | 'string' | 'number' | 'null' | 'list' | 'map' | 'bytes' | 'timestamp' | 'duration' | 'dyn'
type Schema = Readonly<Record<string, unknown>>

/** Throws ExprError with EXPR_TYPE or EXPR_UNKNOWN_FIELD. */
export function check(tree: Expr, options: ExprOptions): void {
  const type = new Checker(options).type(tree, new Set())
  const { expect } = options
  if (expect === undefined || expect === 'any' || type === 'dyn' || type === expect) return
  throw new ExprError('EXPR_TYPE', `The expression yields ${a(type)}; ${a(expect)} is wanted here.`, tree.start, tree.end - tree.start)
}

function a(type: string): string {
  return `a ${type}`
}

class Checker {
  readonly #options: ExprOptions

  constructor(options: ExprOptions) {
    this.#options = options
  }

  type(node: Expr, hidden: ReadonlySet<string>): Type {
    switch (node.kind) {
      case 'literal':
        return node.type === 'int' || node.type === 'uint' || node.type === 'double' ? 'number' : node.type
      case 'ident':
        return !hidden.has(node.name) && node.name === 'headers' ? 'map' : 'dyn'
      case 'select':
        return this.#select(node, hidden)
      case 'index':
        this.type(node.operand, hidden)
        this.type(node.index, hidden)
        return 'dyn'
      case 'call':
        return this.#call(node, hidden)
      case 'list':
        for (const item of node.items) this.type(item, hidden)
        return 'list'
      case 'map':
        for (const { key, value } of node.entries) {
          this.type(key, hidden)
          this.type(value, hidden)
        }
        return 'map'
      case 'comprehension': {
        this.type(node.range, hidden)
        const inner = new Set([...hidden, ...node.variables])
        if (node.filter !== undefined) this.type(node.filter, inner)
        const body = this.type(node.body, inner)
        if (node.macro === 'all' || node.macro === 'exists' || node.macro === 'existsOne') return 'bool'
        return node.macro === 'bind' ? body : node.macro === 'map' || node.macro === 'filter' || node.macro === 'transformList' ? 'list' : 'dyn'
      }
      case 'struct':
        return 'dyn'
    }
  }

  #select(node: Expr & { kind: 'select' }, hidden: ReadonlySet<string>): Type {
    const schema = this.#options.schema === undefined ? undefined : this.#schemaOf(node, hidden)
    if (schema === undefined) this.type(node.operand, hidden)
    if (node.test) return 'bool'
    return node.optional || schema === undefined ? 'dyn' : schemaType(schema)
  }

  /** The schema of what a path reads; undefined where nothing is known. Throws for a field that can't be there. */
  #schemaOf(node: Expr, hidden: ReadonlySet<string>): Schema | undefined {
    if (node.kind === 'ident') return node.name === 'event' && !hidden.has('event') ? this.#options.schema : undefined
    if (node.kind !== 'select') return undefined
    const holder = this.#schemaOf(node.operand, hidden)
    const properties = holder?.['properties']
    if (holder === undefined || typeof properties !== 'object' || properties === null) return undefined
    const known = properties as Readonly<Record<string, unknown>> // The keyword `properties` holds an object of schemas.
    if (Object.hasOwn(known, node.field)) {
      const found = known[node.field]
      return typeof found === 'object' && found !== null ? (found as Schema) : undefined // Likewise.
    }
    // A schema that allows other fields (the default of JSON Schema) still lists those that are meant.
    if (['patternProperties', 'allOf', 'anyOf', 'oneOf', '$ref'].some(keyword => keyword in holder) || typeof holder['additionalProperties'] === 'object') return undefined
    const near = suggest(node.field, Object.keys(known))
    const hint = near === undefined ? ` It has: ${Object.keys(known).slice(0, 12).join(', ')}.` : ` Did you mean "${near}"?`
    throw new ExprError('EXPR_UNKNOWN_FIELD', `The schema has no field "${node.field}".${hint}`, node.start, node.end - node.start, near)
  }

  #call(node: Expr & { kind: 'call' }, hidden: ReadonlySet<string>): Type {
    if (node.target !== undefined) this.type(node.target, hidden)
    const types = node.args.map(arg => this.type(arg, hidden))
    const [first = 'dyn', second = 'dyn', third = 'dyn'] = types
    switch (node.fn) {
      case '_&&_':
      case '_||_':
      case '!_':
        for (const [at, type] of types.entries()) if (type !== 'bool' && type !== 'dyn') this.#fail(node.args[at], `A condition must be a bool, not ${a(type)}.`)
        return 'bool'
      case '_?_:_':
        if (first !== 'bool' && first !== 'dyn') this.#fail(node.args[0], `A condition must be a bool, not ${a(first)}.`)
        return second === third ? second : 'dyn'
      case '_==_':
      case '_!=_':
        if (first !== second && ![first, second].some(type => type === 'dyn' || type === 'null')) this.#fail(node, `${a(first)} never equals ${a(second)}.`)
        return 'bool'
      case '_<_':
      case '_<=_':
      case '_>_':
      case '_>=_':
        if (first !== second && first !== 'dyn' && second !== 'dyn') this.#fail(node, `${a(first)} can't be compared with ${a(second)}.`)
        return 'bool'
      case '@in':
        return 'bool'
      case '_+_':
        return this.#arithmetic(node, first, second, ['number', 'string', 'list', 'bytes', 'timestamp', 'duration'])
      case '_-_':
        return this.#arithmetic(node, first, second, ['number', 'timestamp', 'duration'])
      case '_*_':
      case '_/_':
      case '_%_':
        return this.#arithmetic(node, first, second, ['number'])
      case '-_':
        return first
      default:
        if (node.target === undefined && Object.hasOwn(this.#options.functions ?? {}, node.fn)) return this.#options.functions?.[node.fn]?.result ?? 'dyn'
        return Object.hasOwn(FUNCTIONS, node.fn) ? (FUNCTIONS[node.fn]?.result ?? 'dyn') : 'dyn'
    }
  }

  #arithmetic(node: Expr & { kind: 'call' }, first: Type, second: Type, allowed: readonly Type[]): Type {
    const symbol = node.fn.slice(1, -1)
    for (const [at, type] of [first, second].entries()) if (type !== 'dyn' && !allowed.includes(type)) this.#fail(node.args[at], `"${symbol}" does not take ${a(type)}.`)
    const times = [first, second].some(type => type === 'timestamp' || type === 'duration')
    if (first !== 'dyn' && second !== 'dyn' && first !== second && !times) this.#fail(node, `"${symbol}" does not take ${a(first)} and ${a(second)}.`)
    if (times) return 'dyn'
    return first === 'dyn' ? second : first
  }

  #fail(node: Expr | undefined, message: string): never {
    throw new ExprError('EXPR_TYPE', message.charAt(0).toUpperCase() + message.slice(1), node?.start ?? 0, node === undefined ? 1 : node.end - node.start)
  }
}

function schemaType(schema: Schema): Type {
  switch (schema['type']) {
    case 'string':
      return 'string'
    case 'number':
    case 'integer':
      return 'number'
    case 'boolean':
      return 'bool'
    case 'array':
      return 'list'
    case 'object':
      return 'map'
    default:
      return 'dyn'
  }
}
