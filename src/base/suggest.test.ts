import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { suggest } from './suggest.ts'

/** Edits between two words, the slow way: every way to begin is tried. */
function edits(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const [x = '', y = ''] = [a[0], b[0]]
  const best = Math.min(edits(a.slice(1), b) + 1, edits(a, b.slice(1)) + 1, edits(a.slice(1), b.slice(1)) + (x === y ? 0 : 1))
  return a.length > 1 && b.length > 1 && x === b[1] && a[1] === y ? Math.min(best, edits(a.slice(2), b.slice(2)) + 1) : best
}

test('a slip of the fingers finds the word that was meant', () => {
  const words = ['filter', 'map', 'validate', 'dedupe', 'dead_letter', 'drop']
  const slips = { fliter: 'filter', Filter: 'filter', filtre: 'filter', validat: 'validate', dedup: 'dedupe', dorp: 'drop', mapp: 'map', dead_leter: 'dead_letter' }
  for (const [slip, meant] of Object.entries(slips)) assert.equal(suggest(slip, words), meant, slip)
})

test('what is near to nothing suggests nothing', () => {
  for (const word of ['', 'x', 'colour', 'aggregate', 'fi']) assert.equal(suggest(word, ['filter', 'map', 'validate']), undefined, word)
})

test('no known word is nearer than the one suggested, and none near enough is missed', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(fc.property(word, fc.array(word, { maxLength: 6 }), (slip, known) => {
    const most = Math.max(1, Math.floor(slip.length / 3))
    const nearest = Math.min(...known.map(one => edits(slip, one)))
    const found = suggest(slip, known)
    if (found === undefined) assert.ok(nearest > most)
    else assert.equal(edits(slip, found), nearest)
  }))
})
