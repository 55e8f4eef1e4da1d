/** Compares what a sink took with what a test expects, and says in words where they differ. */
import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '../../event/index.ts'
import type { Expected } from './layout.ts'

export interface Difference {
  readonly message: string
  readonly expected?: unknown
  readonly got?: unknown
}

/** Differences beyond this number say nothing new. */
const SHOWN_MAX = 5

/** `partial`: of a map only the fields that are given count. */
export function differences(expected: Expected, events: readonly JsonValue[], partial: boolean): Difference[] {
  if (isList(expected)) return inOrder(expected, events, partial)
  const found: Difference[] = []
  if (expected.count !== undefined && expected.count !== events.length) found.push({ message: `${events.length} ${events.length === 1 ? 'event' : 'events'}, ${expected.count} expected` })
  for (const item of expected.contains ?? []) {
    if (!events.some(event => matches(item, event, true))) found.push({ message: 'an event is missing', expected: item })
  }
  return found.slice(0, SHOWN_MAX)
}

function isList(expected: Expected): expected is readonly unknown[] {
  return Array.isArray(expected)
}

function inOrder(expected: readonly unknown[], events: readonly JsonValue[], partial: boolean): Difference[] {
  const found: Difference[] = []
  for (let at = 0; at < Math.max(expected.length, events.length) && found.length < SHOWN_MAX; at++) {
    if (at >= events.length) found.push({ message: `event ${at + 1} is missing`, expected: expected[at] })
    else if (at >= expected.length) found.push({ message: `event ${at + 1} is not expected`, got: events[at] })
    else if (!matches(expected[at], events[at], partial)) found.push({ message: `event ${at + 1} differs`, expected: expected[at], got: events[at] })
  }
  return found
}

function matches(expected: unknown, got: unknown, partial: boolean): boolean {
  if (!partial) return isDeepStrictEqual(expected, got)
  if (!isMap(expected) || !isMap(got)) return isDeepStrictEqual(expected, got)
  return Object.entries(expected).every(([key, value]) => Object.hasOwn(got, key) && matches(value, got[key], true))
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
