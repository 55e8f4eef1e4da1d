/**
 * The tree of an expression. Small and stable: the columns of the engine read it too.
 *
 * Operators are calls whose `fn` is the standard's name: `_&&_`, `_||_`, `!_`, `-_`, `_==_`, `_!=_`, `_<_`, `_<=_`, `_>_`, `_>=_`, `_+_`, `_-_`, `_*_`,
 * `_/_`, `_%_`, `_?_:_`, `@in`. Macros over lists and maps are `comprehension` nodes.
 */
interface At {
  /** Place in the source, in UTF-16 code units. */
  readonly start: number
  readonly end: number
}

export type LiteralType = 'null' | 'bool' | 'int' | 'uint' | 'double' | 'string' | 'bytes'

export interface Literal extends At {
  readonly kind: 'literal'
  readonly type: LiteralType
  /** `bigint` for int and uint, `number` for double. */
  readonly value: null | boolean | bigint | number | string | Uint8Array
}
export interface Ident extends At {
  readonly kind: 'ident'
  readonly name: string
}
export interface Select extends At {
  readonly kind: 'select'
  readonly operand: Expr
  readonly field: string
  /** True for `has(a.b)`. */
  readonly test: boolean
  /** True for `a.?b`. */
  readonly optional: boolean
}
export interface Index extends At {
  readonly kind: 'index'
  readonly operand: Expr
  readonly index: Expr
  /** True for `a[?b]`. */
  readonly optional: boolean
}
export interface Call extends At {
  readonly kind: 'call'
  readonly fn: string
  readonly target: Expr | undefined
  readonly args: readonly Expr[]
}
export interface List extends At {
  readonly kind: 'list'
  readonly items: readonly Expr[]
  /** Indices of items written with `?`: left out when they are none. */
  readonly optional: readonly number[]
}
export interface MapNode extends At {
  readonly kind: 'map'
  readonly entries: readonly { readonly key: Expr; readonly value: Expr; readonly optional: boolean }[]
}
export type Macro =
  | 'all' | 'exists' | 'existsOne' | 'map' | 'filter' | 'transformList' | 'transformMap' | 'transformMapEntry' | 'bind' | 'optMap' | 'optFlatMap' | 'sortBy'
export interface Comprehension extends At {
  readonly kind: 'comprehension'
  readonly macro: Macro
  readonly range: Expr
  /** One variable (value, or key of a map), or two (index or key, and value). */
  readonly variables: readonly string[]
  readonly filter: Expr | undefined
  readonly body: Expr
}
/** A message literal `a.b.C{...}`; there are no messages here, but the parser knows the form. */
export interface Struct extends At {
  readonly kind: 'struct'
  readonly name: string
  readonly entries: readonly { readonly field: string; readonly value: Expr }[]
}

export type Expr = Literal | Ident | Select | Index | Call | List | MapNode | Comprehension | Struct
