import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { linesOf, until } from './lines.ts'

async function* pieces(...parts: readonly string[]): AsyncGenerator<Uint8Array, void> {
  for (const part of parts) yield Buffer.from(part)
}
async function all(stream: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = []
  for await (const some of linesOf(stream)) lines.push(...some.map(line => Buffer.from(line).toString()))
  return lines
}

test('lines do not depend on how their bytes come', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n', 'é') }), { maxLength: 12 }), async parts => {
    const text = parts.join('')
    const expected = text.split('\n').map((line, index, list) => (index < list.length - 1 ? line.replace(/\r$/, '') : line))
    if (expected.at(-1) === '') expected.pop()
    assert.deepEqual(await all(pieces(...parts)), expected)
    assert.deepEqual(await all(pieces(text)), expected)
  }))
})

test('a stream that is stopped hands out what came before', async () => {
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<Uint8Array, void> {
    yield Buffer.from('one\ntwo\nha')
    stop.abort()
    await new Promise(() => undefined)
  }
  assert.deepEqual(await all(until(endless(), stop.signal)), ['one', 'two', 'ha'])
})
