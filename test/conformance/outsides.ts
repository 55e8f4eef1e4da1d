/** Places that our own connectors read from and write to, for the conformance kit. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { JsonValue } from '../../src/event/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'

export function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-outside-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Events with a number and a text that needs escapes. */
export function numbered(count: number): OutsideEvent[] {
  return Array.from({ length: count }, (_, n) => ({ value: { n, text: `event ${n}: ä "quoted"` } }))
}

/** Numbers of the events of the kit that a function picks, and those of the others. */
export function parted(picks: (value: JsonValue) => boolean, event = (n: number): JsonValue => ({ n, group: n % 2 === 0 ? 'a' : 'b', text: `event ${n}: ä "quoted"` })): { readonly picked: readonly number[]; readonly others: readonly number[] } {
  const numbers = Array.from({ length: 100 }, (_, n) => n)
  return { picked: numbers.filter(n => picks(event(n))), others: numbers.filter(n => !picks(event(n))) }
}

export function linesOf(events: readonly OutsideEvent[]): string {
  return events.map(({ value }) => `${JSON.stringify(value)}\n`).join('')
}

/** Events of a file of JSON lines; none where there is no file. */
export function eventsIn(path: string): OutsideEvent[] {
  return textOf(path).split('\n').filter(line => line !== '').map(line => ({ value: JSON.parse(line) as JsonValue })) // Each line is the JSON of an event.
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

export { join, readdirSync, writeFileSync }
