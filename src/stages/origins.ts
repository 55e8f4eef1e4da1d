/** Out of which fields of its input a stage makes a field of its output: see `origins` of a stage's declaration. What is told may be too much, never too little. */
import type { CompiledExpression } from '../engine/index.ts'
import type { Expr } from '../expr/index.ts'
import { isExpression } from './nested.ts'
import type { NestedValue } from './nested.ts'
import { parsePath } from './paths.ts'
import type { Path } from './paths.ts'
import { plainPath } from './values.ts'

export type Origins = readonly Path[] | 'all'

/** Of a stage that changes no field, or none into another. */
export const sameFields = (_config: unknown, path: Path): Origins => [path]

const startsWith = (path: Path, start: Path): boolean => start.length <= path.length && start.every((part, at) => part === path[at])

/** True where one of both lies in the other, or is it. */
export const overlap = (one: Path, other: Path): boolean => startsWith(one, other) || startsWith(other, one)

export function together(many: readonly Origins[]): Origins {
  const paths: Path[] = []
  for (const each of many) {
    if (each === 'all') return 'all'
    paths.push(...each)
  }
  return paths
}

/** Fields that an expression reads. */
export function readBy({ expression }: CompiledExpression): Origins {
  return fieldsIn(expression.ast)
}

function fieldsIn(node: Expr): Origins {
  const path = plainPath(node)
  if (path !== undefined) return path.length === 0 ? 'all' : [path]
  switch (node.kind) {
    case 'literal':
    case 'ident':
      return []
    case 'select': {
      const below = plainPath(node.operand)
      return below === undefined ? fieldsIn(node.operand) : [[...below, node.field]]
    }
    case 'index':
      return together([fieldsIn(node.operand), fieldsIn(node.index)])
    case 'call':
      return together([...(node.target === undefined ? [] : [fieldsIn(node.target)]), ...node.args.map(fieldsIn)])
    case 'list':
      return together(node.items.map(fieldsIn))
    case 'map':
      return together(node.entries.flatMap(({ key, value }) => [fieldsIn(key), fieldsIn(value)]))
    case 'struct':
    case 'comprehension':
      return 'all'
  }
}

/** Of what lies at `rest` inside of a value that is made; the whole value where that is empty. */
function originsIn(value: NestedValue, rest: Path): Origins {
  if (isExpression(value)) {
    const path = plainPath(value.expression.ast)
    return path === undefined ? readBy(value) : [[...path, ...rest]]
  }
  if (Array.isArray(value)) return together((value as readonly NestedValue[]).map(item => originsIn(item, rest))) // Array.isArray does not narrow a readonly array.
  const [name, ...inner] = rest
  if (name === undefined) return together(Object.values(value).map(each => originsIn(each, [])))
  const made = (value as { readonly [name: string]: NestedValue })[name] // As above.
  return made === undefined || !Object.hasOwn(value, name) ? [] : originsIn(made, inner)
}

type Fields = Readonly<Record<string, NestedValue>>

/** Where the event becomes an object of these fields alone. */
export function replacedBy(fields: Fields, path: Path): Origins {
  return originsIn(fields, path)
}

/** Where fields are set at their paths, and others stay. */
export function setTo(fields: Fields, path: Path): Origins {
  const made = Object.entries(fields).map(([name, value]): Origins => {
    const target = parsePath(name)
    if (startsWith(path, target)) return originsIn(value, path.slice(target.length))
    return startsWith(target, path) ? originsIn(value, []) : []
  })
  return together([[path], ...made])
}

/** Where fields get other names. */
export function renamedFrom(renames: Readonly<Record<string, string>>, path: Path): Origins {
  const before = Object.entries(renames).map(([name, key]): Origins => {
    const from = parsePath(name)
    const to = [...from.slice(0, -1), key]
    return startsWith(path, to) ? [[...from, ...path.slice(to.length)]] : []
  })
  return together([[path], ...before])
}
