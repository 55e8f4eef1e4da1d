/** Field paths as users write them: `a.b`, with backquotes around names that hold dots. */
import { SluiceError } from '../base/index.ts'
import { rawAt, removeRaw, renameRaw, setRaw } from '../event/index.ts'
import type { Event, JsonValue } from '../event/index.ts'

export type Path = readonly string[]

/** `a.b`, `event.a.b` or `` a.`x.y` `` as parts. Throws CONFIG_VALUE. */
export function parsePath(text: string): Path {
  const parts: string[] = []
  const pattern = /`([^`]+)`|([^.`]+)/y
  const source = text.startsWith('event.') ? text.slice(6) : text
  for (let at = 0; ; at++) {
    pattern.lastIndex = at
    const match = pattern.exec(source)
    if (match === null) throw new SluiceError('CONFIG_VALUE', `${JSON.stringify(text)} is no path of a field, such as a.b.`)
    parts.push(match[1] ?? match[2] ?? '')
    at = pattern.lastIndex
    if (at >= source.length) return parts
    if (source[at] !== '.') throw new SluiceError('CONFIG_VALUE', `${JSON.stringify(text)} is no path of a field, such as a.b.`)
  }
}

export type JsonObject = { readonly [key: string]: JsonValue | undefined }

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a path, or undefined. */
export function valueAt(value: JsonValue | undefined, path: Path): JsonValue | undefined {
  let at = value
  for (const part of path) {
    if (!isObject(at) || !Object.hasOwn(at, part)) return undefined
    at = at[part]
  }
  return at
}

/** An own field, whatever its name. */
export function define(target: object, name: string, value: JsonValue | undefined): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
}

/** A copy with another value at the path; undefined where something on the way is no object. */
export function withValue(value: JsonValue | undefined, path: Path, to: JsonValue): JsonObject | undefined {
  const [name, ...rest] = path
  if (!isObject(value) || name === undefined) return undefined
  const old = Object.hasOwn(value, name) ? value[name] : undefined
  const made = rest.length === 0 ? to : withValue(old === undefined ? {} : old, rest, to)
  if (made === undefined) return undefined
  const copy = { ...value }
  define(copy, name, made)
  return copy
}

function without(value: JsonValue | undefined, path: Path): JsonValue | undefined {
  const [name, ...rest] = path
  if (!isObject(value) || name === undefined || !Object.hasOwn(value, name)) return value
  if (rest.length > 0) return withValue(value, [name], without(value[name], rest) ?? null)
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))
}

function renamed(value: JsonValue | undefined, path: Path, key: string): JsonValue | undefined {
  const [name, ...rest] = path
  if (!isObject(value) || name === undefined || !Object.hasOwn(value, name)) return value
  if (rest.length > 0) return withValue(value, [name], renamed(value[name], rest, key) ?? null)
  return Object.fromEntries(Object.entries(value).filter(([field]) => field !== key || field === name).map(([field, of]) => [field === name ? key : field, of]))
}

/** The JSON text of a field, or undefined. The bytes that came, as long as the event is text. */
export function rawField(event: Event, path: Path): string | undefined {
  if (event.isText) return rawAt(event.text, path)
  const value = valueAt(event.value, path)
  return value === undefined ? undefined : JSON.stringify(value)
}

/** Sets a field to JSON text. Throws FIELD_TYPE where something on the way is no object. */
export function setField(event: Event, path: Path, raw: string): void {
  if (event.isText) {
    const text = setRaw(event.text, path, raw)
    if (text !== undefined) return event.edit(text)
  } else {
    const value = withValue(event.value, path, JSON.parse(raw) as JsonValue) // JSON text parses to a JSON value.
    if (value !== undefined) return event.replace(value)
  }
  throw new SluiceError('FIELD_TYPE', `${path.join('.')} can't be set: what should hold it is not an object.`)
}

export function removeField(event: Event, path: Path): void {
  if (event.isText) event.edit(removeRaw(event.text, path))
  else event.replace(without(event.value, path) ?? null)
}

export function renameField(event: Event, path: Path, key: string): void {
  if (event.isText) event.edit(renameRaw(event.text, path, key))
  else event.replace(renamed(event.value, path, key) ?? null)
}

/** What a value is, for messages. */
export function kindOf(value: JsonValue | undefined): string {
  return value === undefined ? 'missing' : value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
