import assert from 'node:assert/strict'
import test from 'node:test'
import { importsOf, objection } from './check-imports.ts'

const objectionTo = (from: string, specifier: string, typeOnly = false): string | undefined => objection(from, { line: 1, specifier, typeOnly }, new Set())

test('imports, re-exports and dynamic imports are found with their lines, those in comments are not', () => {
  const source = `/** import { a } from './a.ts' */
import { b } from './b.ts'
import type { C } from './c.ts'
import {
  d,
} from '../d/index.ts'
// import './e.ts'
export * as f from './f.ts'
import './g.ts'
const h = await import('./h.ts')
export const i = 1
const from = "x"
`
  assert.deepEqual(importsOf(source), [
    { line: 2, specifier: './b.ts', typeOnly: false },
    { line: 3, specifier: './c.ts', typeOnly: true },
    { line: 6, specifier: '../d/index.ts', typeOnly: false },
    { line: 8, specifier: './f.ts', typeOnly: false },
    { line: 9, specifier: './g.ts', typeOnly: false },
    { line: 10, specifier: './h.ts', typeOnly: false },
  ])
})

test('a room may import the doors of rooms below it', () => {
  assert.equal(objectionTo('engine/run.ts', '../base/index.ts'), undefined)
  assert.equal(objectionTo('engine/state/memory.ts', '../../event/index.ts'), undefined)
  assert.equal(objectionTo('engine/columns/rows.ts', '../../event/json/index.ts'), undefined)
  assert.equal(objectionTo('registry.ts', './connect/index.ts'), undefined)
  assert.equal(objectionTo('cli/run.ts', '../registry.ts'), undefined)
})

test('a room never imports upward, also not for a type', () => {
  assert.match(objectionTo('base/errors.ts', '../engine/index.ts') ?? '', /downhill/)
  assert.match(objectionTo('engine/run.ts', '../registry.ts', true) ?? '', /downhill/)
  assert.match(objectionTo('stages/filter.test.ts', '../cli/index.ts') ?? '', /downhill/)
})

test('connectors and stages never import each other', () => {
  assert.match(objectionTo('connect/index.ts', '../stages/index.ts') ?? '', /do not know each other/)
  assert.match(objectionTo('stages/index.ts', '../connect/index.ts') ?? '', /downhill|do not know/)
})

test('the inside of another room is closed, but open to tests', () => {
  assert.match(objectionTo('engine/run.ts', '../base/errors.ts') ?? '', /inside the room base/)
  assert.equal(objectionTo('engine/run.test.ts', '../base/errors.ts'), undefined)
})

test('files, network, threads and timers are reached through platform only', () => {
  assert.match(objectionTo('stages/enrich.ts', 'node:fs/promises') ?? '', /outside world/)
  assert.equal(objectionTo('platform/files.ts', 'node:fs/promises'), undefined)
  assert.equal(objectionTo('stages/enrich.test.ts', 'node:fs/promises'), undefined)
  assert.equal(objectionTo('stages/enrich.ts', 'node:fs', true), undefined)
})

test('a folder that is no room is refused until it is given its height', () => {
  assert.match(objectionTo('helpers/a.ts', '../base/index.ts') ?? '', /is no room/)
})
