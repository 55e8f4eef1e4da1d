/**
 * Compiles an expression into a loop over columns.
 *
 * The loop answers for each row: yes, no, or unsure. Unsure is any row that the columns don't settle beyond doubt: a missing field, a value of another
 * kind, a number that the scan did not convert exactly, a string with escapes. Such rows are left to the object path, which has the full meaning and
 * the error messages; so this code need only be right where it is sure, and can stay simple.
 *
 * Only what is common is compiled: comparisons, arithmetic on numbers, `&&`, `||`, `!`, `? :`, `has`, `in` a list of literals, `startsWith`, `endsWith` and `contains`.
 * Everything else answers undefined. The generated source holds numbers, names of our own making and literals escaped by JSON.stringify, nothing else.
 */
import type { Expr } from '../../expr/index.ts'
import type { Columns } from '../../event/index.ts'

/** What an expression's static path below `event` is, at the place in the pipeline where the expression stands. */
export type Operand =
  | { readonly kind: 'field'; readonly slot: number; /** The slots of the objects around it, outermost first. */ readonly parents: readonly number[] }
  | { readonly kind: 'number'; /** A computed column. */ readonly column: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'constant'; readonly value: number | boolean }

/** Finds what a path means here; undefined where columns can't tell. */
export type Resolve = (path: readonly string[]) => Operand | undefined

export const NO = 0
export const YES = 1
export const UNSURE = 2

/** Fills `out[i]` with NO, YES or UNSURE for row `rows[i]`, i < n. */
export type Test = (columns: Columns, computed: readonly Float64Array[], rows: Int32Array, n: number, out: Uint8Array) => void
/** Fills `values[row]` for each row; `out[i]` is YES, or UNSURE where there is no number. */
export type Compute = (columns: Columns, computed: readonly Float64Array[], rows: Int32Array, n: number, out: Uint8Array, values: Float64Array) => void

type Code = { readonly type: 'number' | 'bool'; readonly text: string }

const COMPARE: Readonly<Record<string, string>> = { '_<_': '<', '_<=_': '<=', '_>_': '>', '_>=_': '>=', '_==_': '===', '_!=_': '!==' }
const ARITHMETIC: Readonly<Record<string, string>> = { '_+_': '+', '_-_': '-', '_*_': '*', '_/_': '/' }

/** Compiles a condition, or answers undefined. */
export function compileTest(ast: Expr, resolve: Resolve): Test | undefined {
  const writer = new Writer(resolve)
  const code = writer.expression(ast)
  if (code?.type !== 'bool') return undefined
  const body = `${writer.prologue()}for(let i=0;i<n;i++){const r=rows[i];u=false;const v=${code.text};out[i]=u?${UNSURE}:v?${YES}:${NO}}`
  return new Function('literals', 'same', 'starts', 'ends', 'holds', `return function(columns,computed,rows,n,out){${body}}`)(
    writer.literals, same, starts, ends, holds,
  ) as Test // The source above has this shape.
}

/** Compiles an expression that yields a number, or answers undefined. A result that JSON can't hold is unsure. */
export function compileNumber(ast: Expr, resolve: Resolve): Compute | undefined {
  const writer = new Writer(resolve)
  const code = writer.expression(ast)
  if (code?.type !== 'number' || writer.constant(ast) !== undefined) return undefined
  const body = `${writer.prologue()}for(let i=0;i<n;i++){const r=rows[i];u=false;const v=${code.text};values[r]=v;out[i]=u||!(v-v===0)?${UNSURE}:${YES}}`
  return new Function('literals', 'same', 'starts', 'ends', 'holds', `return function(columns,computed,rows,n,out,values){${body}}`)(
    writer.literals, same, starts, ends, holds,
  ) as Compute // The source above has this shape.
}

class Writer {
  readonly literals: Uint8Array[] = []
  readonly #resolve: Resolve
  readonly #slots = new Set<number>()
  readonly #computed = new Set<number>()

  constructor(resolve: Resolve) {
    this.#resolve = resolve
  }

  /** Declarations of all columns that the code reads. */
  prologue(): string {
    let text = 'let u=false;const b=columns.input;'
    for (const slot of this.#slots) text += `const f${slot}=columns.field(${slot}),k${slot}=f${slot}.kind,n${slot}=f${slot}.number,s${slot}=f${slot}.start,e${slot}=f${slot}.end;`
    for (const column of this.#computed) text += `const c${column}=computed[${column}];`
    return text
  }

  expression(node: Expr): Code | undefined {
    switch (node.kind) {
      case 'literal':
        return this.#literal(node.value)
      case 'select':
        return node.test ? this.#has(node) : this.#read(node)
      case 'call':
        return this.#call(node)
      default:
        return undefined
    }
  }

  /** A literal number, or undefined. */
  constant(node: Expr): number | undefined {
    if (node.kind !== 'literal') return undefined
    if (typeof node.value === 'number') return node.value
    const value = typeof node.value === 'bigint' ? Number(node.value) : Number.NaN
    return Number.isSafeInteger(value) ? value : undefined
  }

  #literal(value: unknown): Code | undefined {
    if (typeof value === 'boolean') return { type: 'bool', text: String(value) }
    if (typeof value === 'number' && Number.isFinite(value)) return { type: 'number', text: `(${Object.is(value, -0) ? '-0' : String(value)})` }
    if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return { type: 'number', text: `(${String(value)})` }
    return undefined
  }

  #read(node: Expr): Code | undefined {
    const operand = this.#operand(node)
    if (operand === undefined) return undefined
    switch (operand.kind) {
      case 'field':
        // Whether it is a number or a bool is for the operator to say: a bare path is a bool only where a bool is wanted.
        return this.#number(operand.slot)
      case 'number':
        this.#computed.add(operand.column)
        return { type: 'number', text: `c${operand.column}[r]` }
      case 'constant':
        return this.#literal(operand.value)
      case 'text':
        return undefined
    }
  }

  #number(slot: number): Code {
    this.#slots.add(slot)
    return { type: 'number', text: `(k${slot}[r]===4?n${slot}[r]:(u=true,0))` }
  }

  /** A condition: a path that stands where a bool is wanted reads a bool. */
  #bool(node: Expr): Code | undefined {
    const operand = node.kind === 'select' && !node.test ? this.#operand(node) : undefined
    if (operand?.kind === 'field') {
      const { slot } = operand
      this.#slots.add(slot)
      return { type: 'bool', text: `(k${slot}[r]===3||(k${slot}[r]!==2&&(u=true,false)))` }
    }
    const code = this.expression(node)
    return code?.type === 'bool' ? code : undefined
  }

  #has(node: Expr & { kind: 'select' }): Code | undefined {
    const operand = this.#operand({ ...node, test: false })
    if (operand?.kind !== 'field') return undefined
    this.#slots.add(operand.slot)
    const parent = operand.parents.at(-1)
    if (parent === undefined) return { type: 'bool', text: `(k${operand.slot}[r]!==0)` }
    this.#slots.add(parent)
    return { type: 'bool', text: `(k${parent}[r]===6?k${operand.slot}[r]!==0:(u=true,false))` }
  }

  #operand(node: Expr): Operand | undefined {
    const path = staticPath(node)
    return path === undefined || path.length === 0 ? undefined : this.#resolve(path)
  }

  #call(node: Expr & { kind: 'call' }): Code | undefined {
    const { fn, args } = node
    const [first, second, third] = args
    if (node.target !== undefined) return args.length === 1 && first !== undefined ? this.#method(fn, node.target, first) : undefined
    if (fn === '!_' && first !== undefined) return this.#wrap('!', this.#bool(first))
    if (fn === '-_' && first !== undefined) return this.#negate(first)
    if (first === undefined || second === undefined) return undefined
    if (fn === '_&&_') return this.#join('&&', this.#bool(first), this.#bool(second))
    if (fn === '_||_') return this.#join('||', this.#bool(first), this.#bool(second))
    if (fn === '_?_:_' && third !== undefined) return this.#choice(first, second, third)
    if (fn === '@in') return this.#in(first, second)
    if (Object.hasOwn(COMPARE, fn)) return this.#compare(COMPARE[fn] ?? '', first, second)
    if (Object.hasOwn(ARITHMETIC, fn)) return this.#arithmetic(ARITHMETIC[fn] ?? '', first, second)
    return undefined
  }

  #wrap(operator: string, code: Code | undefined): Code | undefined {
    return code === undefined ? undefined : { type: 'bool', text: `(${operator}${code.text})` }
  }

  #join(operator: string, left: Code | undefined, right: Code | undefined): Code | undefined {
    return left === undefined || right === undefined ? undefined : { type: 'bool', text: `(${left.text}${operator}${right.text})` }
  }

  #negate(node: Expr): Code | undefined {
    const code = this.expression(node)
    return code?.type === 'number' ? { type: 'number', text: `(-${code.text})` } : undefined
  }

  #choice(condition: Expr, yes: Expr, no: Expr): Code | undefined {
    const test = this.#bool(condition)
    // A path alone could be anything: only branches that are plainly numbers or plainly conditions are compiled.
    const left = staticPath(yes) === undefined ? this.expression(yes) : undefined
    const right = staticPath(no) === undefined ? this.expression(no) : undefined
    if (test === undefined || left === undefined || right === undefined || left.type !== right.type) return undefined
    return { type: left.type, text: `(${test.text}?${left.text}:${right.text})` }
  }

  #arithmetic(operator: string, left: Expr, right: Expr): Code | undefined {
    // Two literals follow rules of their own (whole numbers divide to whole numbers).
    if (!readsEvent(left) && !readsEvent(right)) return undefined
    const a = this.expression(left)
    const b = this.expression(right)
    if (a?.type !== 'number' || b?.type !== 'number') return undefined
    return { type: 'number', text: `(${a.text}${operator}${b.text})` }
  }

  #compare(operator: string, left: Expr, right: Expr): Code | undefined {
    const equality = operator === '===' || operator === '!=='
    const text = textLiteral(left) ?? textLiteral(right)
    if (text !== undefined) {
      const path = textLiteral(left) === undefined ? left : right
      const code = equality ? this.#sameText(path, text) : undefined
      return operator === '!==' ? this.#wrap('!', code) : code
    }
    const truth = boolLiteral(left) ?? boolLiteral(right)
    if (truth !== undefined) {
      const code = equality ? this.#bool(boolLiteral(left) === undefined ? left : right) : undefined
      return code === undefined ? undefined : { type: 'bool', text: `(${code.text}${operator}${truth})` }
    }
    // Two bare paths may both be text: only where one side is plainly a number does the comparison mean numbers.
    if (staticPath(left) !== undefined && staticPath(right) !== undefined && equality) return undefined
    const a = this.expression(left)
    const b = this.expression(right)
    if (a?.type !== 'number' || b?.type !== 'number') return undefined
    return { type: 'bool', text: `(${a.text}${operator}${b.text})` }
  }

  #sameText(path: Expr, text: string): Code | undefined {
    const operand = this.#operand(path)
    if (operand?.kind === 'text') return { type: 'bool', text: String(operand.value === text) }
    return operand?.kind === 'field' ? this.#onText('same', operand.slot, text) : undefined
  }

  /** Calls a function on the bytes of a string without escapes. */
  #onText(name: string, slot: number, text: string): Code {
    this.#slots.add(slot)
    const index = this.literals.push(Buffer.from(text)) - 1
    return { type: 'bool', text: `(k${slot}[r]===5?${name}(b,s${slot}[r]+1,e${slot}[r]-1,literals[${index}]):(u=true,false))` }
  }

  #in(item: Expr, list: Expr): Code | undefined {
    if (list.kind !== 'list' || list.items.length === 0 || list.items.length > 64) return undefined
    let result: Code | undefined
    for (const one of list.items) {
      const code = this.#compare('===', item, one)
      if (code === undefined) return undefined
      result = result === undefined ? code : this.#join('||', result, code)
    }
    return result
  }

  #method(fn: string, target: Expr, argument: Expr): Code | undefined {
    const name = fn === 'startsWith' ? 'starts' : fn === 'endsWith' ? 'ends' : fn === 'contains' ? 'holds' : undefined
    const text = textLiteral(argument)
    const operand = this.#operand(target)
    return name === undefined || text === undefined || operand?.kind !== 'field' ? undefined : this.#onText(name, operand.slot, text)
  }
}

/** The path of `event.a.b`, or undefined for anything else. */
export function staticPath(node: Expr): string[] | undefined {
  if (node.kind === 'ident') return node.name === 'event' ? [] : undefined
  if (node.kind !== 'select' || node.test || node.optional) return undefined
  const path = staticPath(node.operand)
  path?.push(node.field)
  return path
}

function readsEvent(node: Expr): boolean {
  if (node.kind === 'select') return staticPath(node) !== undefined
  if (node.kind === 'call') return node.args.some(readsEvent)
  return false
}

/** A literal's text, where its bytes are the same in JSON: no escapes needed, and nothing that the scan would flag. */
function textLiteral(node: Expr): string | undefined {
  if (node.kind !== 'literal' || typeof node.value !== 'string') return undefined
  return JSON.stringify(node.value) === `"${node.value}"` ? node.value : undefined
}

function boolLiteral(node: Expr): boolean | undefined {
  return node.kind === 'literal' && typeof node.value === 'boolean' ? node.value : undefined
}

function same(bytes: Uint8Array, from: number, to: number, literal: Uint8Array): boolean {
  const { length } = literal
  if (to - from !== length) return false
  for (let at = 0; at < length; at++) if (bytes[from + at] !== literal[at]) return false
  return true
}

function starts(bytes: Uint8Array, from: number, to: number, literal: Uint8Array): boolean {
  const { length } = literal
  if (to - from < length) return false
  for (let at = 0; at < length; at++) if (bytes[from + at] !== literal[at]) return false
  return true
}

function ends(bytes: Uint8Array, from: number, to: number, literal: Uint8Array): boolean {
  return starts(bytes, Math.max(from, to - literal.length), to, literal)
}

function holds(bytes: Uint8Array, from: number, to: number, literal: Uint8Array): boolean {
  for (let at = from; at <= to - literal.length; at++) if (starts(bytes, at, to, literal)) return true
  return false
}
