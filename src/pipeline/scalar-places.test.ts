import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as yaml from 'yaml'
import { Diagnostics } from './diagnostic.ts'
import { readYaml } from './read-yaml.ts'
import { SourceFile } from './source-file.ts'

/** The value of the key `a`, with the place in the file of each of its characters. */
function placesOf(text: string): { readonly value: string; readonly places: readonly number[] } {
  const tree = readYaml(new SourceFile('a.yaml', '/a.yaml', text), yaml, new Diagnostics())
  const found = tree?.kind === 'map' ? tree.entries[0]?.value : undefined
  if (found?.kind !== 'leaf' || typeof found.value !== 'string') return { value: '', places: [] }
  const { value } = found
  return { value, places: Array.from({ length: value.length + 1 }, (_, at) => found.locate(at)) }
}

/** The characters of the file at which those of a word in the value are said to stand. */
function wordAt(text: string, word: string): string {
  const { value, places } = placesOf(text)
  const at = value.indexOf(word)
  assert.ok(at >= 0, `${word} is not in ${JSON.stringify(value)}`)
  return Array.from(word, (_, i) => text[places[at + i] ?? -1] ?? '').join('')
}

test('every style of scalar leads back to its own text', () => {
  for (const text of [
    'a: one two three\nb: 1',
    "a: 'it''s two and three'\n",
    'a: "tab\\t \\u00e9 two \\"three\\""\n',
    'a: |\n  one\n  two\n\n    three\n',
    'a: |2-\n    one\n  two three\n',
    'a: >-\n  one\n  two\n\n  three\nb: 1',
    'a: one\n  two\n\n  three\n',
    'a: "one\n  two\n\n  three"\n',
    'a: "one \\\n  two\n  three"\n',
    "{ a: 'one\n  two three' }",
    'a: |\r\n  one\r\n  two\r\n  three\r\n',
  ]) {
    for (const word of ['two', 'three']) assert.equal(wordAt(text, word), word, JSON.stringify(text))
  }
})

test('whatever the library writes, each letter is found where it stands, and never outside of the scalar', () => {
  const words = fc.array(fc.constantFrom('one', 'two', "it's", '"x"', '\\', 'é', '\u{1F600}', '#', ': ', '{', '\n', '\n\n', '  ', '%'), { maxLength: 12 })
  const styles = fc.constantFrom('PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED')
  fc.assert(
    fc.property(words, styles, fc.integer({ min: 20, max: 40 }), (parts, defaultStringType, lineWidth) => {
      const value = parts.join(' ')
      const text = yaml.stringify({ a: value, b: 1 }, { defaultStringType, defaultKeyType: 'PLAIN', lineWidth } as yaml.ToStringOptions) // The styles are the library's.
      // Not always the value that was given: the library folds some texts so that they come back with other line ends.
      const { value: read, places } = placesOf(text)
      assert.equal(places.length, read.length + (places.length > 0 ? 1 : 0))
      for (const [at, place] of places.entries()) {
        assert.ok(place >= 0 && place <= text.length)
        assert.ok(at === 0 || place >= (places[at - 1] ?? 0), 'places go forward')
        const letter = read[at] ?? ''
        if (/[a-z]/.test(letter)) assert.equal(text[place], letter, `${JSON.stringify(text)} at ${at}`)
      }
    }),
    { numRuns: 500 },
  )
})
