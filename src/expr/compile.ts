/**
 * Turns a tree into JavaScript.
 *
 * Two functions come out. The fast one takes the happy path: `&&` and `||` are JavaScript's, and whatever is unusual throws. The exact one has the standard's
 * meaning (an error on one side of `&&` does not matter where the other is false) and runs only after the fast one threw. Where the fast one answers,
 * the exact one would have answered the same.
 *
 * The source holds numbers, operators, names of our own making (`v0`, `t1`, `K[2]`) and texts escaped by JSON.stringify. A user's text never becomes
 * code: names are looked up here, fields become escaped texts, literals become constants.
 */
import type { Comprehension, Expr } from './ast.ts'
import { ExprError } from './error.ts'
import { FUNCTIONS, NAMESPACES, NO_MATCH } from './functions/index.ts'
import type { FunctionDef, FunctionTable } from './functions/index.ts'
import { qualified } from './parser.ts'
import { Runtime } from './runtime.ts'
import type { Environment } from './runtime.ts'
import { CelType, Timestamp, Uint, equals } from './values.ts'
import { suggest } from '../base/index.ts'

/** Names that stand for values: what JavaScript reads for each. */
export type Names = Readonly<Record<string, string>>

/** Makes the code for a static path below `event`, or undefined to read the event itself. */
export type PathCode = (path: readonly string[], text: string) => string | undefined
/** Makes the code for `has` of such a path. */
export type HasCode = (path: readonly string[], text: string) => string | undefined

export interface CompileOptions {
  readonly strict: boolean
  readonly environment: Environment
  readonly names: Names
  readonly functions: FunctionTable
  /** Name in front of which a name is looked up first, as the standard's containers have it. */
  readonly container?: string
  /** Reading of static paths below `event`, for columns. */
  readonly path?: PathCode
  readonly has?: HasCode
}

const TYPES = ['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type', 'optional_type', 'google.protobuf.Timestamp', 'google.protobuf.Duration']

/** Field names that JavaScript finds on values that do not have them: these are looked up the careful way. */
const HAZARDS: ReadonlySet<string> = new Set([
  ...[Object, Array, String, Number, Boolean, BigInt, Uint8Array, Map, Symbol, Timestamp, Uint, CelType].flatMap(of => Object.getOwnPropertyNames(of.prototype)),
  ...Object.getOwnPropertyNames(Object.getPrototypeOf(Uint8Array.prototype)),
  'length', '$ns', '$uint', '$name', '$value', '$has', '$entries',
])

/** `a.b` where `a` names a namespace that no variable hides. */
function functionName(node: Expr & { kind: 'call' }, names: ReadonlyMap<string, string>, functions: FunctionTable): string {
  const space = node.target === undefined ? undefined : qualified(node.target)
  if (space === undefined || names.has(space)) return node.fn
  const known = NAMESPACES.has(space) || Object.keys(functions).some(name => name.startsWith(`${space}.`))
  return known ? `${space}.${node.fn}` : node.fn
}

type Code = { readonly text: string; readonly bool?: boolean }

export type Evaluate = (scope: unknown) => unknown

export function compileTree(tree: Expr, options: CompileOptions): Evaluate {
  const runtime = new Runtime(options.strict, options.environment)
  const constants: unknown[] = []
  const build = (exact: boolean): Evaluate => {
    const writer = new Writer(options, constants, exact)
    const { text } = writer.write(tree, new Map(Object.entries(options.names)))
    const temps = writer.temps === 0 ? '' : `let ${Array.from({ length: writer.temps }, (_, at) => `t${at}`).join(',')};`
    return new Function('rt', 'K', 'call', 'equals', `return function(s){${temps}return ${text}}`)(runtime, constants, call, equals) as Evaluate
  }
  const fast = build(false)
  let exact: Evaluate | undefined
  const run: Evaluate = scope => {
    try {
      return fast(scope)
    } catch {
      exact ??= build(true)
      return exact(scope)
    }
  }
  if (!needsMeter(tree)) return run
  return scope => {
    runtime.begin()
    return run(scope)
  }
}

/** Calls a function and says so where it has no form for these types. */
function call(rt: Runtime, def: FunctionDef, name: string, args: readonly unknown[]): unknown {
  const value = def.call(rt, args)
  if (value === NO_MATCH) throw rt.noOverload(name, args)
  return value
}

/** True where an evaluation can cost more than the tree is long. */
function needsMeter(node: Expr): boolean {
  switch (node.kind) {
    case 'comprehension':
      return true
    case 'call':
      return node.target !== undefined || /^[a-zA-Z@]|^_\+_$/.test(node.fn) || node.args.some(needsMeter)
    case 'select':
      return needsMeter(node.operand)
    case 'index':
      return needsMeter(node.operand) || needsMeter(node.index)
    case 'list':
      return node.items.some(needsMeter)
    case 'map':
      return node.entries.some(({ key, value }) => needsMeter(key) || needsMeter(value))
    case 'literal':
    case 'ident':
    case 'struct':
      return false
  }
}

class Writer {
  temps = 0
  readonly #options: CompileOptions
  readonly #constants: unknown[]
  readonly #exact: boolean
  #variables = 0

  constructor(options: CompileOptions, constants: unknown[], exact: boolean) {
    this.#options = options
    this.#constants = constants
    this.#exact = exact
  }

  #constant(value: unknown): string {
    return `K[${this.#constants.push(value) - 1}]`
  }

  #temp(): string {
    return `t${this.temps++}`
  }

  write(node: Expr, names: ReadonlyMap<string, string>): Code {
    switch (node.kind) {
      case 'literal':
        return this.#literal(node)
      case 'ident':
        return this.#ident(node.name, node, names)
      case 'select':
        return this.#select(node, names)
      case 'index': {
        const method = node.optional ? 'optionalIndex' : 'index'
        return { text: `rt.${method}(${this.#text(node.operand, names)},${this.#text(node.index, names)})` }
      }
      case 'call':
        return this.#call(node, names)
      case 'list':
        return this.#list(node, names)
      case 'map':
        return { text: `rt.map([${node.entries.map(({ key, value, optional }) => `[${this.#text(key, names)},${this.#text(value, names)},${optional}]`).join(',')}])` }
      case 'comprehension':
        return this.#comprehension(node, names)
      case 'struct':
        throw new ExprError('EXPR_UNKNOWN_NAME', `There is no message type ${node.name}.`, node.start, node.end - node.start)
    }
  }

  #text(node: Expr, names: ReadonlyMap<string, string>): string {
    return this.write(node, names).text
  }

  #bool(node: Expr, names: ReadonlyMap<string, string>): string {
    const code = this.write(node, names)
    return code.bool === true ? code.text : `rt.bool(${code.text})`
  }

  #literal(node: Expr & { kind: 'literal' }): Code {
    const { value, type } = node
    if (typeof value === 'boolean') return { text: String(value), bool: true }
    if (value === null) return { text: 'null' }
    if (typeof value === 'string') return { text: JSON.stringify(value) }
    if (typeof value === 'bigint') {
      if (!this.#options.strict) return { text: `(${Number(value)})` }
      return { text: type === 'uint' ? this.#constant(new Uint(value)) : `(${value}n)` }
    }
    if (typeof value === 'number') return { text: Number.isFinite(value) ? `(${Object.is(value, -0) ? '-0' : String(value)})` : this.#constant(value) }
    return { text: this.#constant(value) }
  }

  #ident(name: string, node: Expr, names: ReadonlyMap<string, string>): Code {
    const plain = name.startsWith('.') ? name.slice(1) : name
    const code = this.#lookUp(name, names)
    if (code !== undefined) return { text: code }
    if (TYPES.includes(plain)) return { text: this.#constant(new CelType(plain === 'null_type' ? 'null_type' : plain)) }
    const known = [...names.keys()]
    const near = suggest(plain, known)
    if (this.#options.strict) return this.#later('EXPR_UNKNOWN_NAME', `There is no name "${plain}".`)
    const hint = names.has('event') && near === undefined ? ` Fields stand below event: event.${plain}.` : near === undefined ? '' : ` Did you mean "${near}"?`
    throw new ExprError('EXPR_UNKNOWN_NAME', `There is no name "${plain}".${hint}`, node.start, node.end - node.start, near)
  }

  /** What a name stands for; one within the container comes first, unless the name begins with a dot. */
  #lookUp(name: string, names: ReadonlyMap<string, string>): string | undefined {
    if (name.startsWith('.')) return names.get(name.slice(1))
    const parts = this.#options.container?.split('.') ?? []
    for (let length = parts.length; length > 0; length--) {
      const found = names.get([...parts.slice(0, length), name].join('.'))
      if (found !== undefined) return found
    }
    return names.get(name)
  }

  /** Code that throws when it is reached: in strict mode what does not exist may stand where it is never evaluated. */
  #later(code: string, message: string): Code {
    return { text: `rt.fail(${JSON.stringify(code)},${JSON.stringify(message)})` }
  }

  /** The path of `event.a.b` below the event, if nothing hides `event`. */
  #path(node: Expr, names: ReadonlyMap<string, string>): string[] | undefined {
    if (node.kind === 'ident') return node.name === 'event' && names.get('event') === this.#options.names['event'] ? [] : undefined
    if (node.kind !== 'select' || node.test || node.optional) return undefined
    const path = this.#path(node.operand, names)
    path?.push(node.field)
    return path
  }

  #select(node: Expr & { kind: 'select' }, names: ReadonlyMap<string, string>): Code {
    const type = qualified(node)
    if (type !== undefined && TYPES.includes(type)) return { text: this.#constant(new CelType(type)) }
    // A name with dots may itself be a variable.
    if (type !== undefined && names.has(type)) return { text: names.get(type) ?? '' }
    const path = this.#path({ ...node, test: false }, names)
    const shown = JSON.stringify(type ?? `.${node.field}`)
    if (path !== undefined && !node.optional) {
      const code = node.test ? this.#options.has?.(path, shown) : this.#options.path?.(path, shown)
      if (code !== undefined) return { text: code, bool: node.test }
    }
    const operand = this.#text(node.operand, names)
    const field = JSON.stringify(node.field)
    if (node.optional) return { text: `rt.optionalField(${operand},${field})` }
    if (node.test) return { text: `rt.has(${operand},${field},${shown})`, bool: true }
    if (this.#exact || HAZARDS.has(node.field)) return { text: `rt.select(${operand},${field},${shown})` }
    const holder = this.#temp()
    const value = this.#temp()
    return { text: `((${value}=(${holder}=${operand})[${field}])===undefined?rt.select(${holder},${field},${shown}):${value})` }
  }

  #list(node: Expr & { kind: 'list' }, names: ReadonlyMap<string, string>): Code {
    const items = `[${node.items.map(item => this.#text(item, names)).join(',')}]`
    return { text: node.optional.length === 0 ? items : `rt.list(${items},${JSON.stringify(node.optional)})` }
  }

  #call(node: Expr & { kind: 'call' }, names: ReadonlyMap<string, string>): Code {
    const [first, second, third] = node.args
    if (node.target === undefined && first !== undefined && /[^\w]|^@in$/.test(node.fn)) return this.#operator(node.fn, first, second, third, names)
    const name = functionName(node, names, this.#options.functions)
    const spaced = name !== node.fn
    const def = Object.hasOwn(this.#options.functions, name) ? this.#options.functions[name] : Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined
    const args = node.target === undefined || spaced ? node.args : [node.target, ...node.args]
    if (this.#options.strict && def === undefined) return this.#later('EXPR_UNKNOWN_FUNCTION', `There is no function "${name}".`)
    this.#checkCall(node, name, def, args.length, node.target !== undefined && !spaced)
    const made = `call(rt,${this.#constant(def)},${JSON.stringify(name)},[${args.map(arg => this.#text(arg, names)).join(',')}])`
    return { text: made, bool: def?.result === 'bool' }
  }

  #checkCall(node: Expr & { kind: 'call' }, name: string, def: FunctionDef | undefined, count: number, member: boolean): void {
    const length = node.end - node.start
    if (def === undefined) {
      const near = suggest(name, [...Object.keys(FUNCTIONS), ...Object.keys(this.#options.functions), 'all', 'exists', 'map', 'filter', 'has'])
      throw new ExprError('EXPR_UNKNOWN_FUNCTION', `There is no function "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`}`, node.start, length, near)
    }
    if (def.style !== 'both' && (def.style === 'member') !== member) {
      throw new ExprError('EXPR_UNKNOWN_FUNCTION', member ? `"${name}" is called as ${name}(x), not as x.${name}().` : `"${name}" is called as x.${name}(), not as ${name}(x).`, node.start, length)
    }
    const [least, most] = def.arity
    const off = member ? 1 : 0
    if (count < least || count > most) {
      const wanted = least === most ? `${least - off}` : `${least - off} to ${most - off}`
      throw new ExprError('EXPR_TYPE', `"${name}" takes ${wanted} arguments, not ${count - off}.`, node.start, length)
    }
  }

  #operator(fn: string, first: Expr, second: Expr | undefined, third: Expr | undefined, names: ReadonlyMap<string, string>): Code {
    if (fn === '!_') return { text: `(!${this.#bool(first, names)})`, bool: true }
    if (fn === '-_') return { text: `rt.neg(${this.#text(first, names)})` }
    if (second === undefined) throw new ExprError('EXPR_SYNTAX', `${fn} lacks an operand.`, first.start)
    if (fn === '_&&_' || fn === '_||_') return this.#logic(fn === '_&&_', first, second, names)
    if (fn === '_?_:_' && third !== undefined) {
      const yes = this.write(second, names)
      const no = this.write(third, names)
      return { text: `(${this.#bool(first, names)}?${yes.text}:${no.text})`, bool: yes.bool === true && no.bool === true }
    }
    if (fn === '_==_' || fn === '_!=_') return this.#equality(fn === '_==_', first, second, names)
    if (fn === '@in') return { text: `rt.in(${this.#text(first, names)},${this.#text(second, names)})`, bool: true }
    return this.#binary(fn, this.#text(first, names), this.#text(second, names))
  }

  #logic(and: boolean, first: Expr, second: Expr, names: ReadonlyMap<string, string>): Code {
    if (this.#exact) return { text: `rt.${and ? 'and' : 'or'}(()=>${this.#text(first, names)},()=>${this.#text(second, names)})`, bool: true }
    return { text: `(${this.#bool(first, names)}${and ? '&&' : '||'}${this.#bool(second, names)})`, bool: true }
  }

  #equality(equal: boolean, first: Expr, second: Expr, names: ReadonlyMap<string, string>): Code {
    const a = this.#text(first, names)
    const b = this.#text(second, names)
    // Text equals text alone, so that a literal on one side settles it.
    const literal = [first, second].some(side => side.kind === 'literal' && typeof side.value === 'string')
    if (literal) return { text: `(${a}${equal ? '===' : '!=='}${b})`, bool: true }
    return { text: `${equal ? '' : '!'}equals(${a},${b})`, bool: true }
  }

  #binary(fn: string, a: string, b: string): Code {
    const symbol = fn.slice(1, -1)
    const x = this.#temp()
    const y = this.#temp()
    const both = `(${x}=${a},${y}=${b},typeof ${x}==='number'&&typeof ${y}==='number')`
    if (/^[<>]/.test(symbol)) return { text: `(${both}?${x}${symbol}${y}:rt.order(${JSON.stringify(symbol)},${x},${y})${symbol}0)`, bool: true }
    const method = { '+': 'add', '-': 'sub', '*': 'mul', '/': 'div', '%': 'mod' }[symbol] ?? ''
    if (symbol === '%') return { text: `rt.mod(${a},${b})` }
    return { text: `(${both}?${x}${symbol}${y}:rt.${method}(${x},${y}))` }
  }

  #comprehension(node: Comprehension, names: ReadonlyMap<string, string>): Code {
    const range = this.#text(node.range, names)
    const inner = new Map(names)
    const params = node.variables.map(name => {
      const own = `v${this.#variables++}`
      inner.set(name, own)
      return own
    })
    // Temporaries inside a loop body belong to the body: it may run again while an outer one is in use.
    const body = (of: Expr): string => this.#closure(params, of, inner)
    const pairs = `rt.range(${range},${node.variables.length === 2})`
    const make = body(node.body)
    const filter = node.filter === undefined ? 'undefined' : body(node.filter)
    switch (node.macro) {
      case 'all':
      case 'exists':
      case 'existsOne':
        return { text: `rt.${node.macro}(${pairs},${make})`, bool: true }
      case 'map':
      case 'transformList':
        return { text: `rt.collect(${pairs},${filter},${make})` }
      case 'filter':
        return { text: `rt.collect(${pairs},${make},${params[0] ?? 'v'}=>${params[0] ?? 'v'})` }
      case 'transformMap':
        return { text: `rt.collectMap(${pairs},${filter},${make},false)` }
      case 'transformMapEntry':
        return { text: `rt.collectMap(${pairs},${filter},${make},true)` }
      case 'bind':
        return { text: `(${make})(${range})` }
      case 'optMap':
        return { text: `rt.optMap(${range},${make},false)` }
      case 'optFlatMap':
        return { text: `rt.optMap(${range},${make},true)` }
      case 'sortBy':
        return { text: `rt.sortBy(${pairs},${make})` }
    }
  }

  #closure(params: readonly string[], body: Expr, names: ReadonlyMap<string, string>): string {
    const before = this.temps
    const text = this.#text(body, names)
    const own = Array.from({ length: this.temps - before }, (_, at) => `t${before + at}`)
    const declare = own.length === 0 ? '' : `let ${own.join(',')};`
    return `(${params.join(',')})=>{${declare}return ${text}}`
  }
}
