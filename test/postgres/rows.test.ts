/** Rows on a real PostgreSQL, held against a naive model: whatever comes in whatever batches, the table is what one row after the other would have made. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { postgresSink, postgresSource } from '../../src/connect/index.ts'
import { testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { startService } from '../servers/service.ts'
import { openDatabase } from './database.ts'

interface Item {
  readonly id?: number | string | null
  readonly shop?: string | null
  readonly word?: string | null
}

const server = await startService('postgres', { env: { POSTGRES_CONFIG: 'fsync = off\nsynchronous_commit = off' } })
if (typeof server === 'string') test('rows on PostgreSQL', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const database = await openDatabase(url)
  after(async () => {
    await database.close()
    await server.dispose()
  })
  const signal = new AbortController().signal

  const text = fc.oneof(fc.constantFrom('a', 'b'), fc.string({ unit: 'grapheme', maxLength: 4 }).filter(one => !one.includes('\0')))
  // An id that is none is refused; a null in the key makes the row unlike all others; a field that is missing gets its default.
  const item: fc.Arbitrary<Item> = fc.record({
    id: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.constant('none'), fc.constant(null)),
    shop: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('x', 'y') }, fc.constant(null)),
    word: fc.oneof(text, fc.constant(null)),
  }, { requiredKeys: [] })

  /** Row by row; the key is id and shop. Answers rows, sorted as text, and how many were refused. */
  function naive(items: readonly Item[], on: 'update' | 'ignore' | 'none'): { readonly rows: string[]; readonly refused: number } {
    const rows: { id: number | null; shop: string | null; word: string | null }[] = []
    let refused = 0
    for (const { id = null, shop = 'z', word = 'preset' } of items) {
      if (typeof id === 'string') {
        refused++
        continue
      }
      const same = on === 'none' || id === null || shop === null ? undefined : rows.find(row => row.id === id && row.shop === shop)
      if (same === undefined) rows.push({ id, shop, word })
      else if (on === 'update') same.word = word
    }
    return { rows: rows.map(row => JSON.stringify(row)).sort(), refused }
  }

  for (const on of ['update', 'ignore', 'none'] as const) {
    test(`${on === 'none' ? 'without a key' : `on conflict ${on}`}, the table is what one row after the other would have made`, async t => {
      const table = `model_${on}`
      await database.sql(`CREATE TABLE ${table} (id integer, shop text DEFAULT 'z', word text DEFAULT 'preset'${on === 'none' ? '' : ', UNIQUE (id, shop)'})`)
      const sink = postgresSink.create(prepareConfig(postgresSink.config, { url, table, rows: 5, ...(on === 'none' ? {} : { key: ['id', 'shop'], on_conflict: on }) }, testContext()), testContext())
      t.after(() => sink.close('done'))
      await sink.open(undefined)
      await fc.assert(fc.asyncProperty(fc.array(fc.array(item, { minLength: 1, maxLength: 12 }), { maxLength: 4 }), async batches => {
        await database.sql(`TRUNCATE ${table}`)
        let refused = 0
        for (const [number, batch] of batches.entries()) {
          const lines = batch.map(one => Buffer.from(`${JSON.stringify(one)}\n`))
          let end = 0
          const answers = await sink.write({ number, target: '', bytes: Buffer.concat(lines), rows: lines.length, ends: Uint32Array.from(lines, line => (end += line.length)) }, signal)
          refused += answers?.length ?? 0
        }
        const rows = (await database.sql(`SELECT id, shop, word FROM ${table}`)).map(({ id, shop, word }) => JSON.stringify({ id: id === null ? null : Number(id), shop, word })).sort()
        assert.deepEqual({ rows, refused }, naive(batches.flat(), on))
      }), { numRuns: 60 })
    })
  }

  test('a source brings every row once and in order, in pieces of any size, wherever it is stopped and begun again', async () => {
    await database.sql('CREATE TABLE paged (id integer PRIMARY KEY, at numeric)')
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 60 }), fc.integer({ min: 20, max: 400 }), fc.boolean(), fc.array(fc.nat({ max: 3 }), { maxLength: 6 }), async (times, bytes, hasKey, stops) => {
      await database.sql('TRUNCATE paged')
      await database.sql('INSERT INTO paged SELECT ordinality, value::numeric / 10 FROM json_array_elements_text($1) WITH ORDINALITY', [JSON.stringify(times)])
      const config = prepareConfig(postgresSource.config, { url, table: 'paged', watermark: { column: 'at' }, ...(hasKey ? { key: 'id' } : {}) }, testContext())
      const found: number[] = []
      let position: JsonValue | undefined
      for (const pieces of [...stops, Infinity]) {
        const source = postgresSource.create(config, testContext())
        await source.open(position)
        for (let count = 0; count < pieces; count++) {
          const piece = await source.next(bytes, signal)
          if (piece === undefined) break
          position = JSON.parse(JSON.stringify(piece.position)) as JsonValue // As a checkpoint gives it back.
          for (const line of Buffer.from(piece.data ?? []).toString().trimEnd().split('\n')) found.push((JSON.parse(line) as { readonly id: number }).id)
        }
        await source.close()
      }
      const expected = times.map((at, n) => ({ id: n + 1, at })).sort((a, b) => a.at - b.at || a.id - b.id)
      assert.deepEqual(found.map(id => times[id - 1]), expected.map(({ at }) => at))
      assert.deepEqual(hasKey ? found : found.toSorted((a, b) => a - b), hasKey ? expected.map(({ id }) => id) : times.map((_, n) => n + 1))
    }), { numRuns: 60 })
  })
}
