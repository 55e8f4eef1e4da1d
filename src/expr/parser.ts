/**
 * Parses an expression (Pratt parser: each operator has a binding power) and expands its macros.
 *
 * Everything is bounded: the length of the source, the depth and the number of nodes.
 */
import type { Comprehension, Expr, Macro } from './ast.ts'
import { ExprError } from './error.ts'
import { tokenize } from './lexer.ts'
import type { Token } from './lexer.ts'

export const LIMITS = { length: 100_000, depth: 250, nodes: 50_000 } as const

const BINARY: Readonly<Record<string, { readonly power: number; readonly fn: string }>> = {
  '||': { power: 2, fn: '_||_' },
  '&&': { power: 3, fn: '_&&_' },
  '==': { power: 4, fn: '_==_' },
  '!=': { power: 4, fn: '_!=_' },
  '<': { power: 4, fn: '_<_' },
  '<=': { power: 4, fn: '_<=_' },
  '>': { power: 4, fn: '_>_' },
  '>=': { power: 4, fn: '_>=_' },
  '+': { power: 5, fn: '_+_' },
  '-': { power: 5, fn: '_-_' },
  '*': { power: 6, fn: '_*_' },
  '/': { power: 6, fn: '_/_' },
  '%': { power: 6, fn: '_%_' },
}
const IN_POWER = 4
/** Names that the standard keeps for itself. */
const RESERVED: ReadonlySet<string> = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)
const INT_MAX = 2n ** 63n - 1n
const UINT_MAX = 2n ** 64n - 1n

/** Parses the whole source. Throws ExprError with EXPR_SYNTAX or EXPR_LIMIT. */
export function parse(source: string): Expr {
  if (source.length > LIMITS.length) throw new ExprError('EXPR_LIMIT', `The expression has ${source.length} characters; ${LIMITS.length} is the most.`, 0)
  const parser = new Parser(source)
  return parser.whole()
}

class Parser {
  readonly #source: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0
  #nodes = 0

  constructor(source: string) {
    this.#source = source
    this.#tokens = tokenize(source)
  }

  whole(): Expr {
    const expr = this.#expression()
    if (this.#peek().kind !== 'end') throw this.#unexpected('the end of the expression')
    return expr
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token // The list ends with `end`, which nothing moves beyond.
  }

  #next(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#at++
    return token
  }

  #is(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'op' && token.text === text
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at++
    return true
  }

  #expect(text: string): Token {
    if (!this.#is(text)) throw this.#unexpected(`"${text}"`)
    return this.#next()
  }

  #unexpected(wanted: string): ExprError {
    const token = this.#peek()
    const found = token.kind === 'end' ? 'the end' : `"${this.#source.slice(token.start, token.end)}"`
    return new ExprError('EXPR_SYNTAX', `Expected ${wanted}, found ${found}.`, token.start, token.end - token.start)
  }

  #node<T extends Expr>(node: T): T {
    this.#nodes++
    if (this.#nodes > LIMITS.nodes) throw new ExprError('EXPR_LIMIT', `The expression has more than ${LIMITS.nodes} parts.`, node.start)
    return node
  }

  #expression(): Expr {
    this.#depth++
    if (this.#depth > LIMITS.depth) throw new ExprError('EXPR_LIMIT', `The expression is nested deeper than ${LIMITS.depth}.`, this.#peek().start)
    const expr = this.#ternary()
    this.#depth--
    return expr
  }

  #ternary(): Expr {
    const condition = this.#binary(0)
    if (!this.#take('?')) return condition
    const yes = this.#binary(0)
    this.#expect(':')
    const no = this.#expression()
    return this.#call('_?_:_', undefined, [condition, yes, no], condition.start, no.end)
  }

  #binary(least: number): Expr {
    let left = this.#unary()
    for (;;) {
      const token = this.#peek()
      const isIn = token.kind === 'ident' && token.text === 'in'
      const operator = isIn ? { power: IN_POWER, fn: '@in' } : token.kind === 'op' ? BINARY[token.text] : undefined
      if (operator === undefined || operator.power <= least) return left
      this.#at++
      const right = this.#binary(operator.power)
      left = this.#call(operator.fn, undefined, [left, right], left.start, right.end)
    }
  }

  #unary(): Expr {
    const first = this.#peek()
    if (first.kind !== 'op' || (first.text !== '!' && first.text !== '-')) return this.#member()
    this.#depth++
    if (this.#depth > LIMITS.depth) throw new ExprError('EXPR_LIMIT', `The expression is nested deeper than ${LIMITS.depth}.`, first.start)
    this.#at++
    const next = this.#peek()
    const negative = first.text === '-' && (next.kind === 'int' || next.kind === 'double')
    const expr = negative ? this.#postfix(this.#number(this.#next(), first.start, true)) : this.#unary()
    this.#depth--
    if (negative) return expr
    return this.#call(first.text === '!' ? '!_' : '-_', undefined, [expr], first.start, expr.end)
  }

  #member(): Expr {
    return this.#postfix(this.#primary())
  }

  #postfix(first: Expr): Expr {
    let operand = first
    for (let steps = 0; ; steps++) {
      if (steps > LIMITS.depth) throw new ExprError('EXPR_LIMIT', `The expression is nested deeper than ${LIMITS.depth}.`, operand.end)
      if (this.#take('.')) operand = this.#dot(operand)
      else if (this.#take('.?')) operand = this.#select(operand, true)
      else if (this.#take('[')) operand = this.#index(operand, false)
      else if (this.#take('[?')) operand = this.#index(operand, true)
      else if (this.#is('{') && qualified(operand) !== undefined) operand = this.#struct(operand)
      else return operand
    }
  }

  #index(operand: Expr, optional: boolean): Expr {
    const index = this.#expression()
    const { end } = this.#expect(']')
    return this.#node({ kind: 'index', operand, index, optional, start: operand.start, end })
  }

  #fieldName(): Token {
    const token = this.#next()
    if (token.kind === 'quoted' || (token.kind === 'ident' && token.text !== 'in' && token.text !== 'true' && token.text !== 'false' && token.text !== 'null')) return token
    this.#at--
    throw this.#unexpected('a field name')
  }

  #select(operand: Expr, optional: boolean): Expr {
    const name = this.#fieldName()
    return this.#node({ kind: 'select', operand, field: name.text, test: false, optional, start: operand.start, end: name.end })
  }

  #dot(operand: Expr): Expr {
    const name = this.#fieldName()
    if (name.kind === 'quoted' || !this.#take('(')) {
      return this.#node({ kind: 'select', operand, field: name.text, test: false, optional: false, start: operand.start, end: name.end })
    }
    const args = this.#list(')')
    const end = this.#tokens[this.#at - 1]?.end ?? name.end
    const macro = memberMacro(name, operand, args, end)
    if (macro !== undefined) return this.#node(macro)
    return this.#call(name.text, operand, args, operand.start, end)
  }

  #list(close: string): Expr[] {
    const items: Expr[] = []
    while (!this.#take(close)) {
      items.push(this.#expression())
      if (!this.#take(',')) {
        this.#expect(close)
        break
      }
      if (close === ')' && this.#is(close)) throw this.#unexpected('an argument')
    }
    return items
  }

  #primary(): Expr {
    const token = this.#next()
    switch (token.kind) {
      case 'int':
      case 'uint':
      case 'double':
        return this.#number(token, token.start, false)
      case 'string':
      case 'bytes':
        return this.#node({ kind: 'literal', type: token.kind, value: token.value ?? '', start: token.start, end: token.end })
      case 'ident':
        return this.#name(token, '')
      case 'op':
        return this.#bracket(token)
      case 'quoted':
      case 'end':
        if (token.kind !== 'end') this.#at--
        throw this.#unexpected('an expression')
    }
  }

  #bracket(token: Token): Expr {
    if (token.text === '(') {
      const inner = this.#expression()
      this.#expect(')')
      return inner
    }
    if (token.text === '[') return this.#listLiteral(token, false)
    // The lexer takes the two characters of `[?x]` together, as it must behind a value.
    if (token.text === '[?') return this.#listLiteral(token, true)
    if (token.text === '{') return this.#mapLiteral(token)
    if (token.text === '.') return this.#name(this.#fieldName(), '.')
    this.#at--
    throw this.#unexpected('an expression')
  }

  #name(token: Token, root: string): Expr {
    const { text, start, end } = token
    const value = text === 'true' ? true : text === 'false' ? false : text === 'null' ? null : undefined
    if (root === '' && value !== undefined) return this.#node({ kind: 'literal', type: value === null ? 'null' : 'bool', value, start, end })
    if (RESERVED.has(text) || text === 'in') throw new ExprError('EXPR_SYNTAX', `"${text}" is a reserved word.`, start, end - start)
    if (!this.#take('(')) return this.#node({ kind: 'ident', name: root + text, start, end })
    const args = this.#list(')')
    const close = this.#tokens[this.#at - 1]?.end ?? end
    if (text === 'has') return this.#has(args, start, close)
    return this.#call(text, undefined, args, start, close)
  }

  #has(args: readonly Expr[], start: number, end: number): Expr {
    const [arg] = args
    if (args.length !== 1 || arg?.kind !== 'select') throw new ExprError('EXPR_SYNTAX', 'has() takes one field, such as has(event.a).', start, end - start)
    return { ...arg, test: true, start, end }
  }

  #listLiteral(open: Token, firstOptional: boolean): Expr {
    const items: Expr[] = []
    const optional: number[] = []
    while (!this.#is(']')) {
      if (this.#take('?') || (firstOptional && items.length === 0)) optional.push(items.length)
      items.push(this.#expression())
      if (!this.#take(',')) break
    }
    const { end } = this.#expect(']')
    return this.#node({ kind: 'list', items, optional, start: open.start, end })
  }

  #mapLiteral(open: Token): Expr {
    const entries: { key: Expr; value: Expr; optional: boolean }[] = []
    while (!this.#is('}')) {
      const optional = this.#take('?')
      const key = this.#expression()
      this.#expect(':')
      entries.push({ key, value: this.#expression(), optional })
      if (!this.#take(',')) break
    }
    const { end } = this.#expect('}')
    return this.#node({ kind: 'map', entries, start: open.start, end })
  }

  #struct(operand: Expr): Expr {
    this.#expect('{')
    const entries: { field: string; value: Expr }[] = []
    while (!this.#is('}')) {
      this.#take('?')
      const field = this.#fieldName().text
      this.#expect(':')
      entries.push({ field, value: this.#expression() })
      if (!this.#take(',')) break
    }
    const { end } = this.#expect('}')
    return this.#node({ kind: 'struct', name: qualified(operand) ?? '', entries, start: operand.start, end })
  }

  #number(token: Token, start: number, negative: boolean): Expr {
    const { end, kind, text } = token
    if (kind === 'double') return this.#node({ kind: 'literal', type: 'double', value: negative ? -Number(text) : Number(text), start, end })
    const value = negative ? -BigInt(text) : BigInt(text)
    if (kind === 'uint' ? value > UINT_MAX : value > INT_MAX || value < -INT_MAX - 1n) {
      throw new ExprError('EXPR_SYNTAX', `${negative ? '-' : ''}${text} does not fit in 64 bits.`, start, end - start)
    }
    return this.#node({ kind: 'literal', type: kind === 'uint' ? 'uint' : 'int', value, start, end })
  }

  #call(fn: string, target: Expr | undefined, args: readonly Expr[], start: number, end: number): Expr {
    const bind = target !== undefined && target.kind === 'ident' && target.name === 'cel' && fn === 'bind' && args.length === 3
    const [name, value, body] = args
    if (bind && name !== undefined && value !== undefined && body !== undefined) {
      return this.#node({ kind: 'comprehension', macro: 'bind', range: value, variables: [variable(name)], filter: undefined, body, start, end })
    }
    return this.#node({ kind: 'call', fn, target, args, start, end })
  }
}

/** `a.b.c` as text, if the tree is just that. */
export function qualified(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.test || expr.optional) return undefined
  const before = qualified(expr.operand)
  return before === undefined ? undefined : `${before}.${expr.field}`
}

function variable(expr: Expr): string {
  if (expr.kind !== 'ident' || expr.name.startsWith('.')) throw new ExprError('EXPR_SYNTAX', 'A macro\'s variable must be a plain name.', expr.start, expr.end - expr.start)
  return expr.name
}

const MACROS: Readonly<Record<string, Macro>> = {
  all: 'all', exists: 'exists', exists_one: 'existsOne', existsOne: 'existsOne', map: 'map', filter: 'filter',
  transformList: 'transformList', transformMap: 'transformMap', transformMapEntry: 'transformMapEntry',
  optMap: 'optMap', optFlatMap: 'optFlatMap', sortBy: 'sortBy',
}

/** The comprehension that a call with this name and these arguments stands for, or undefined for an ordinary call. */
function memberMacro(name: Token, range: Expr, args: readonly Expr[], end: number): Comprehension | undefined {
  const macro = Object.hasOwn(MACROS, name.text) ? MACROS[name.text] : undefined
  if (macro === undefined) return undefined
  const make = (variables: readonly Expr[], filter: Expr | undefined, body: Expr | undefined): Comprehension | undefined => {
    if (body === undefined) return undefined
    const names = variables.map(variable)
    if (new Set(names).size !== names.length) throw new ExprError('EXPR_SYNTAX', 'The two variables of a macro need different names.', name.start, end - name.start)
    return { kind: 'comprehension', macro, range, variables: names, filter, body, start: range.start, end }
  }
  const two = macro === 'transformList' || macro === 'transformMap' || macro === 'transformMapEntry'
  if (two && args.length === 3) return make(args.slice(0, 2), undefined, args[2])
  if (two && args.length === 4) return make(args.slice(0, 2), args[2], args[3])
  if (two) return undefined
  if (args.length === 2) return make(args.slice(0, 1), undefined, args[1])
  if (args.length !== 3) return undefined
  if (macro === 'map') return make(args.slice(0, 1), args[1], args[2])
  if (macro === 'all' || macro === 'exists' || macro === 'existsOne') return make(args.slice(0, 2), undefined, args[2])
  return undefined
}
