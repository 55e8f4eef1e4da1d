/** Functions on text. Places count code points, as the standard wants. */
import { compilePattern } from '../regex.ts'
import type { Runtime } from '../runtime.ts'
import { evalError, isMap, mapEntries } from '../values.ts'
import { format } from './format.ts'
import { NO_MATCH } from './types.ts'
import type { FunctionDef, FunctionTable } from './types.ts'

const ASCII = /^[\x00-\x7f]*$/

/** Code points of a text; its units where they are the same. */
function points(text: string): readonly string[] | string {
  return ASCII.test(text) ? text : [...text]
}

function text(points: readonly string[] | string, from: number, to: number): string {
  const part = points.slice(from, to)
  return typeof part === 'string' ? part : part.join('')
}

function place(value: unknown): number | undefined {
  const at = typeof value === 'bigint' ? Number(value) : value
  return typeof at === 'number' && Number.isInteger(at) ? at : undefined
}

function onText(call: (rt: Runtime, value: string, args: readonly unknown[]) => unknown, arity: readonly [number, number], result: NonNullable<FunctionDef['result']>): FunctionDef {
  return {
    arity,
    style: 'member',
    result,
    call: (rt, [value, ...args]) => {
      if (typeof value !== 'string') return NO_MATCH
      rt.pay(1 + value.length / 10)
      return call(rt, value, args)
    },
  }
}

function indexIn(rt: Runtime, value: string, args: readonly unknown[], last: boolean): unknown {
  const [wanted, from] = args
  if (typeof wanted !== 'string') return NO_MATCH
  const start = from === undefined ? undefined : place(from)
  if (from !== undefined && start === undefined) return NO_MATCH
  const all = points(value)
  if (start !== undefined && (start < 0 || start > all.length)) throw evalError('EXPR_INDEX', `The text has ${all.length} characters; there is no place ${start}.`)
  if (wanted === '') return rt.int(start ?? (last ? all.length : 0))
  const unit = start === undefined ? undefined : text(all, 0, start).length
  const at = last ? value.lastIndexOf(wanted, unit) : value.indexOf(wanted, unit)
  return rt.int(at < 0 ? -1 : points(value.slice(0, at)).length)
}

function replace(rt: Runtime, value: string, args: readonly unknown[]): unknown {
  const [from, to, most] = args
  if (typeof from !== 'string' || typeof to !== 'string') return NO_MATCH
  const limit = most === undefined ? -1 : place(most)
  if (limit === undefined) return NO_MATCH
  const parts = limit < 0 ? value.split(from) : splitMost(value, from, limit + 1)
  rt.pay((parts.length * to.length) / 10)
  if (from !== '') return parts.join(to)
  // An empty text stands between all characters and at both ends.
  const letters = [...value]
  let left = limit < 0 ? letters.length + 1 : limit
  let result = ''
  for (const letter of [...letters, '']) result += (left-- > 0 ? to : '') + letter
  return result
}

function splitMost(value: string, by: string, most: number): string[] {
  const parts = by === '' ? [...value] : value.split(by)
  if (most < 0 || parts.length <= most) return parts
  return most === 0 ? [] : [...parts.slice(0, most - 1), parts.slice(most - 1).join(by)]
}

function split(value: string, args: readonly unknown[]): unknown {
  const [by, most] = args
  const limit = most === undefined ? -1 : place(most)
  return typeof by !== 'string' || limit === undefined ? NO_MATCH : splitMost(value, by, limit)
}

function substring(value: string, args: readonly unknown[]): unknown {
  const all = points(value)
  const from = place(args[0])
  const to = args[1] === undefined ? all.length : place(args[1])
  if (from === undefined || to === undefined) return NO_MATCH
  if (from < 0 || to > all.length || from > to) throw evalError('EXPR_INDEX', `The text has ${all.length} characters; there is no part from ${from} to ${to}.`)
  return text(all, from, to)
}

function charAt(value: string, args: readonly unknown[]): unknown {
  const all = points(value)
  const at = place(args[0])
  if (at === undefined) return NO_MATCH
  if (at < 0 || at > all.length) throw evalError('EXPR_INDEX', `The text has ${all.length} characters; there is none at ${at}.`)
  return text(all, at, at + 1)
}

const QUOTES: Readonly<Record<string, string>> = { '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\', '"': '\\"' }

function size(rt: Runtime, value: unknown): unknown {
  if (typeof value === 'string') return rt.int(points(value).length)
  if (value instanceof Uint8Array || Array.isArray(value)) return rt.int(value.length)
  return isMap(value) ? rt.int(mapEntries(value).length) : NO_MATCH
}

function test(call: (value: string, part: string) => boolean): FunctionDef {
  return { arity: [2, 2], style: 'member', result: 'bool', call: (_rt, [value, part]) => (typeof value === 'string' && typeof part === 'string' ? call(value, part) : NO_MATCH) }
}

export const strings: FunctionTable = {
  size: { arity: [1, 1], style: 'both', result: 'number', call: (rt, [value]) => size(rt, value) },
  contains: test((value, part) => value.includes(part)),
  startsWith: test((value, part) => value.startsWith(part)),
  endsWith: test((value, part) => value.endsWith(part)),
  matches: {
    arity: [2, 2],
    style: 'both',
    result: 'bool',
    call: (rt, [value, pattern]) => {
      if (typeof value !== 'string' || typeof pattern !== 'string') return NO_MATCH
      rt.pay(1 + (value.length * pattern.length) / 100)
      return compilePattern(pattern).matcher(value).find()
    },
  },
  charAt: onText((_rt, value, args) => charAt(value, args), [2, 2], 'string'),
  indexOf: onText((rt, value, args) => indexIn(rt, value, args, false), [2, 3], 'number'),
  lastIndexOf: onText((rt, value, args) => indexIn(rt, value, args, true), [2, 3], 'number'),
  lowerAscii: onText((_rt, value) => value.replace(/[A-Z]+/g, part => part.toLowerCase()), [1, 1], 'string'),
  upperAscii: onText((_rt, value) => value.replace(/[a-z]+/g, part => part.toUpperCase()), [1, 1], 'string'),
  replace: onText(replace, [3, 4], 'string'),
  split: onText((_rt, value, args) => split(value, args), [2, 3], 'list'),
  substring: onText((_rt, value, args) => substring(value, args), [2, 3], 'string'),
  // White space as Unicode has it, which is a little more than JavaScript's.
  trim: onText((_rt, value) => value.replace(/^[\s\u0085\u180e]+|[\s\u0085\u180e]+$/gu, part => (/\ufeff|\u180e/.test(part) ? part : '')), [1, 1], 'string'),
  join: {
    arity: [1, 2],
    style: 'member',
    result: 'string',
    call: (rt, [list, by = '']) => {
      if (!Array.isArray(list) || typeof by !== 'string' || !list.every(item => typeof item === 'string')) return NO_MATCH
      rt.pay(list.length)
      return list.join(by)
    },
  },
  'strings.quote': {
    arity: [1, 1],
    style: 'global',
    result: 'string',
    call: (_rt, [value]) => (typeof value === 'string' ? `"${value.toWellFormed().replace(/[\x07\b\f\n\r\t\v\\"]/g, letter => QUOTES[letter] ?? letter)}"` : NO_MATCH),
  },
  format: {
    arity: [2, 2],
    style: 'member',
    result: 'string',
    call: (rt, [pattern, args]) => (typeof pattern === 'string' && Array.isArray(args) ? format(rt, pattern, args) : NO_MATCH),
  },
}
