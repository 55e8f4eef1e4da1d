/** Reads and checks the tests of a pipeline's file: their form, and that the sources and sinks they name are there. */
import { suggest } from '../../base/index.ts'
import { checkValue } from '../check-value.ts'
import type { Diagnostics } from '../diagnostic.ts'
import { entryOf, isEmpty } from '../tree.ts'
import type { Entry, Mapping, Tree } from '../tree.ts'
import type { ValueContext } from '../value-context.ts'
import type { Wired } from '../wiring.ts'
import { STEP_KEYS, TESTS } from './layout.ts'
import type { ConfigTest } from './layout.ts'

/** What dead letters are called in `expect`. */
export const DEAD_LETTERS = 'dead_letters'

export type PlacedTest = ConfigTest & { readonly file: string; readonly line: number }

/** The tests, or none where one of them is wrong. */
export function readTests(tree: Mapping, nodes: Wired, context: ValueContext): readonly PlacedTest[] {
  const entry = entryOf(tree, 'tests')
  if (entry === undefined || isEmpty(entry.value)) return []
  const { diagnostics } = context.reading
  const before = diagnostics.errors
  const value = checkValue(TESTS, entry.value, 'tests', context.checks())
  const items = entry.value.kind === 'list' ? entry.value.items : []
  for (const test of items) checkNames(test, nodes, diagnostics)
  if (diagnostics.errors > before) return []
  const tests = value as readonly ConfigTest[] // Just checked against it.
  return tests.map((test, at) => {
    const { file, start } = items[at]?.place ?? entry.keyPlace
    return { ...test, file: file.name, line: file.position(start).line }
  })
}

function checkNames(test: Tree, nodes: Wired, diagnostics: Diagnostics): void {
  if (test.kind !== 'map') return
  const input = entryOf(test, 'input')
  const sources = nodes.sources.map(node => node.id)
  if (input?.value.kind === 'map') for (const entry of input.value.entries) checkName(entry, 'source', sources, diagnostics)
  if (input?.value.kind === 'list' && sources.length > 1) {
    diagnostics.error('CONFIG_VALUE', input.keyPlace, `The pipeline has ${sources.length} sources: say which one the events come from.`, { hint: `For example: input: { ${sources[0] ?? ''}: [...] }` })
  }
  const expect = entryOf(test, 'expect')
  if (expect?.value.kind === 'map') for (const entry of expect.value.entries) checkName(entry, 'sink', [...nodes.sinks.map(node => node.id), DEAD_LETTERS], diagnostics)
  for (const list of input?.value.kind === 'map' ? input.value.entries.map(entry => entry.value) : input === undefined ? [] : [input.value]) {
    if (list.kind === 'list') for (const step of list.items) checkStep(step, diagnostics)
  }
}

function checkName({ key, keyPlace }: Entry, kind: string, known: readonly string[], diagnostics: Diagnostics): void {
  if (known.includes(key)) return
  const suggestion = suggest(key, known)
  diagnostics.error('CONFIG_REFERENCE', keyPlace, `There is no ${kind} "${key}".`, { suggestion, hint: suggestion === undefined ? `There are: ${known.join(', ')}.` : undefined })
}

/** An event whose fields begin with `$` is more than a value. */
function checkStep(step: Tree, diagnostics: Diagnostics): void {
  if (step.kind !== 'map' || !step.entries.some(entry => STEP_KEYS.includes(entry.key))) return
  for (const { key, keyPlace } of step.entries) {
    if (STEP_KEYS.includes(key)) continue
    const suggestion = suggest(key, STEP_KEYS)
    diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `Beside fields that begin with "$" there is no "${key}".`, { suggestion, hint: suggestion === undefined ? 'Put the event below "$event".' : undefined })
  }
}
