/** Compares events, so that a failure shows the first that differs and not all of them. */
import assert from 'node:assert/strict'
import type { JsonValue } from '../event/index.ts'
import type { OutsideEvent } from './subject.ts'

interface Declared {
  readonly shorthand?: string
}

/** A config in its long form: a bare value stands for the field that the declaration names. */
export function longForm({ shorthand }: Declared, config: unknown): unknown {
  const bare = typeof config !== 'object' || Array.isArray(config)
  return bare && shorthand !== undefined ? { [shorthand]: config } : (config ?? {})
}

/** What the kit's stage `conformance_show` made of an event. */
export function shownOf(value: JsonValue): OutsideEvent {
  return value as unknown as OutsideEvent // Written by that stage.
}

/** In an order of their own, where the component promises none. */
export function inOrderOf(events: readonly OutsideEvent[], ordered: boolean): readonly OutsideEvent[] {
  if (ordered) return events
  const text = (event: OutsideEvent): string => JSON.stringify(event.value)
  return [...events].sort((a, b) => (text(a) < text(b) ? -1 : 1))
}

export function assertSame(got: readonly unknown[], wanted: readonly unknown[], what: string): void {
  const differs = wanted.findIndex((one, at) => !isEqual(one, got[at]))
  if (differs >= 0) assert.deepEqual(got[differs], wanted[differs], `${what}: number ${differs + 1} of ${wanted.length} differs (${got.length} came)`)
  assert.equal(got.length, wanted.length, `${what}: the number of them`)
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}
