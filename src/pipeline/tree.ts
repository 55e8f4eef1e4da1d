/**
 * A config as it was written: values with their places. What YAML files become before anything is known of their meaning;
 * includes, templates and variables work on it.
 */
import type { Place } from './source-file.ts'

export type Tree = Leaf | List | Mapping

export interface Leaf {
  readonly kind: 'leaf'
  readonly value: null | boolean | number | string
  readonly place: Place
  /** The text of a plain scalar as it stands in the file: an expression may look like a number. */
  readonly written: string
  /** Place in the file of a place in `value`, where value is text. */
  locate(offset: number): number
  /** Set where `${...}` made the value. */
  readonly made?: Made
}

/** How `${...}` made a value. */
export interface Made {
  /** The text before, for messages: it shows names, never values. */
  readonly raw: string
  /** True where the whole text was one reference: the value then takes whatever kind is wanted. */
  readonly whole: boolean
  /** `environment NAME`, `file PATH`, `default of NAME`, `parameter NAME`. */
  readonly origins: readonly string[]
  /** True where the value may be shown: it came from a default or a parameter only. */
  readonly open: boolean
  /** True where there is no value because something was wrong, which has been told: no check says more of it. */
  readonly broken?: boolean
}

export interface List {
  readonly kind: 'list'
  readonly items: readonly Tree[]
  readonly place: Place
}

export interface Mapping {
  readonly kind: 'map'
  readonly entries: readonly Entry[]
  readonly place: Place
}

export interface Entry {
  readonly key: string
  readonly keyPlace: Place
  readonly value: Tree
}

export function entryOf(tree: Mapping, key: string): Entry | undefined {
  return tree.entries.find(entry => entry.key === key)
}

/** A leaf whose value does not stand in a file as such: places within it are its own. */
export function leaf(value: Leaf['value'], place: Place, made?: Made): Leaf {
  return { kind: 'leaf', value, place, written: String(value), locate: () => place.start, ...(made === undefined ? {} : { made }) }
}

/** What stands in the place of a value that could not be made, once the reason has been told. */
export function broken(place: Place): Leaf {
  return leaf(null, place, { raw: '', whole: false, origins: [], open: true, broken: true })
}

/** True where there is no value for a reason that has been told. */
export function isBroken(tree: Tree): boolean {
  return tree.kind === 'leaf' && tree.made?.broken === true
}

/** True where a value anywhere in it could not be made. */
export function hasBroken(tree: Tree): boolean {
  if (tree.kind === 'leaf') return isBroken(tree)
  return tree.kind === 'list' ? tree.items.some(hasBroken) : tree.entries.some(({ value }) => hasBroken(value))
}

/** True where nothing was written: `key:` alone. */
export function isEmpty(tree: Tree): boolean {
  return tree.kind === 'leaf' && tree.value === null && tree.written.trim() === ''
}

/** What stands there, for messages. */
export function shown(tree: Tree): string {
  if (tree.kind === 'list') return tree.items.length === 0 ? 'an empty list' : 'a list'
  if (tree.kind === 'map') return tree.entries.length === 0 ? 'an empty map' : 'a map'
  if (tree.made !== undefined && !tree.made.open) return `the value of ${tree.made.raw}`
  if (isEmpty(tree)) return 'nothing'
  const text = JSON.stringify(tree.value)
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text
}

/** The value as JSON, without places. */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'leaf') return tree.value
  if (tree.kind === 'list') return tree.items.map(plain)
  const result: Record<string, unknown> = {}
  for (const { key, value } of tree.entries) define(result, key, plain(value))
  return result
}

/** Sets an own field, whatever its name: `__proto__` is a name like any other. */
export function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
}

/** The tree with each leaf replaced. Leaves that stay are not copied. */
export function mapLeaves(tree: Tree, change: (leaf: Leaf) => Tree): Tree {
  if (tree.kind === 'leaf') return change(tree)
  if (tree.kind === 'list') return { ...tree, items: tree.items.map(item => mapLeaves(item, change)) }
  return { ...tree, entries: tree.entries.map(entry => ({ ...entry, value: mapLeaves(entry.value, change) })) }
}
