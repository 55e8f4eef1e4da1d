/**
 * The same expressions over columns: each static path below `event` is read from a numbered slot instead of an object.
 *
 * The meaning is that of `compile`. Expressions that use `event` in any other way, or the position of the event, have no such form.
 */
import type { Expr } from './ast.ts'
import { compileTree } from './compile.ts'
import { settings } from './index.ts'
import type { ExprOptions } from './index.ts'
import { parse } from './parser.ts'

export interface SlotExpression {
  /** The path of each slot. */
  readonly paths: readonly (readonly string[])[]
  /** `read` answers a slot's value, undefined where it is missing. */
  evaluate(read: (slot: number) => unknown): unknown
}

/** Compiles for slots, or answers undefined. Throws ExprError as `compile` does. */
export function compileSlots(source: string | Expr, options: ExprOptions = {}): SlotExpression | undefined {
  const tree = typeof source === 'string' ? parse(source) : source
  const paths: string[][] = []
  const slot = (path: readonly string[]): number => {
    const at = paths.findIndex(known => known.length === path.length && known.every((part, index) => part === path[index]))
    return at >= 0 ? at : paths.push([...path]) - 1
  }
  const base = settings(options)
  if (readsWhole(tree)) return undefined
  const evaluate = compileTree(tree, {
    ...base,
    path: (path, text) => `rt.slot(s(${slot(path)}),${text})`,
    has: (path, text) => (path.length === 1 ? `(s(${slot(path)})!==undefined)` : `rt.has(rt.slot(s(${slot(path.slice(0, -1))}),${text}),${JSON.stringify(path.at(-1))},${text})`),
  })
  return { paths, evaluate: read => evaluate(read) }
}

/** True where a name of the scope is used by itself, not as the start of a static path. */
function readsWhole(node: Expr): boolean {
  switch (node.kind) {
    case 'literal':
    case 'struct':
      return false
    case 'ident':
      return ['event', 'key', 'headers', 'time', 'position'].includes(node.name)
    case 'select':
      if (node.operand.kind === 'ident' && node.operand.name === 'event' && !node.optional) return false
      return readsWhole(node.operand)
    case 'index':
      return readsWhole(node.operand) || readsWhole(node.index)
    case 'call':
      return (node.target !== undefined && readsWhole(node.target)) || node.args.some(arg => readsWhole(arg))
    case 'list':
      return node.items.some(item => readsWhole(item))
    case 'map':
      return node.entries.some(({ key, value }) => readsWhole(key) || readsWhole(value))
    case 'comprehension':
      return readsWhole(node.range) || readsWhole(node.body) || (node.filter !== undefined && readsWhole(node.filter))
  }
}
