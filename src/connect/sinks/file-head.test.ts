import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { prepareConfig } from '../../engine/index.ts'
import type { Sink } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { copy, testContext } from '../testing.ts'
import { file as fileSink } from './file.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-file-head-'))
})
after(() => rmSync(folder, { recursive: true }))

const HEAD = 'n,"a ""name"""\n'
const COLUMNS = ['n', 'a "name"']
const row = (n: number): string => `${n},${'x'.repeat(n % 7)}\n`
const signal = new AbortController().signal

async function opened(config: object, mark?: JsonValue): Promise<Sink> {
  const context = testContext({ folder })
  const sink = fileSink.create(prepareConfig(fileSink.config, { options: { columns: COLUMNS }, ...config }, context), context)
  await sink.open(mark)
  return sink
}
/** Chunks that each sink was given: they are counted from 0. */
const given = new WeakMap<Sink, number>()
const write = async (sink: Sink, n: number): Promise<void> => {
  const number = given.get(sink) ?? 0
  given.set(sink, number + 1)
  await sink.write({ number, target: '', bytes: Buffer.from(row(n)), rows: 1, ends: undefined }, signal)
}

const STEP = fc.constantFrom('write', 'write', 'write', 'flush', 'crash')

for (const ending of ['csv', 'csv.gz']) {
  for (const rotate of [undefined, { size: 60 }]) {
    test(`each ${ending} file begins with the names of its columns, once${rotate === undefined ? '' : ', the next ones too'}, whenever a crash comes`, async () => {
      let runs = 0
      await fc.assert(fc.asyncProperty(fc.array(STEP, { maxLength: 30 }), async steps => {
        const below = `${ending}-${rotate === undefined ? 'one' : 'many'}-${runs++}`
        const config = { path: `${below}/out.${ending}`, ...(rotate === undefined ? {} : { rotate }) }
        let sink = await opened(config)
        let mark = await sink.flush()
        let [kept, next] = [0, 0]
        for (const step of [...steps, 'write', 'flush'] as const) {
          if (step === 'write') await write(sink, next++)
          if (step === 'flush') [mark, kept] = [await sink.flush(), next]
          if (step !== 'crash') continue
          await sink.close('failed')
          sink = await opened(config, mark)
          next = kept
        }
        await sink.close('done')
        const texts = readdirSync(join(folder, below)).toSorted().map(name => {
          const bytes = readFileSync(join(folder, below, name))
          return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
        })
        for (const text of texts) assert.ok(text.startsWith(HEAD), text)
        assert.equal(texts.map(text => text.slice(HEAD.length)).join(''), Array.from({ length: next }, (_, n) => row(n)).join(''))
      }), { numRuns: 25 })
    })
  }
}

test('what is appended to is not given the names again, and an empty file is', async () => {
  for (const [before, expected] of [[`${HEAD}0,\n`, `${HEAD}0,\n${row(1)}`], ['', HEAD + row(1)], [undefined, HEAD + row(1)]] as const) {
    rmSync(join(folder, 'append.csv'), { force: true })
    if (before !== undefined) writeFileSync(join(folder, 'append.csv'), before)
    const sink = await opened({ path: 'append.csv', mode: 'append' })
    await write(sink, 1)
    await sink.flush()
    await sink.close('done')
    assert.equal(readFileSync(join(folder, 'append.csv'), 'utf8'), expected)
  }
})

test('a result without records has the names all the same, and none where they are not wanted', async () => {
  for (const [options, expected] of [[{}, HEAD], [{ header: false }, ''], [{ delimiter: ';' }, 'n;"a ""name"""\n']] as const) {
    const sink = await opened({ path: 'empty.csv', options: { columns: COLUMNS, ...options } })
    await sink.flush()
    await sink.close('done')
    assert.equal(readFileSync(join(folder, 'empty.csv'), 'utf8'), expected)
  }
})

test('what was written is read again without more being said', async () => {
  const rows = '{"n":"1","city":"Köln, \\"am Rhein\\""}\n{"n":"2","city":""}\n'
  writeFileSync(join(folder, 'rows.ndjson'), rows)
  await copy(folder, { type: 'file', config: { path: 'rows.ndjson' } }, { type: 'file', config: { path: 'rows.tsv', options: { columns: ['n', 'city'] } } })
  await copy(folder, { type: 'file', config: { path: 'rows.tsv' } }, { type: 'file', config: { path: 'again.ndjson' } })
  assert.equal(readFileSync(join(folder, 'again.ndjson'), 'utf8'), rows)
})
