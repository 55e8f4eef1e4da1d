/** A table as source and sink on a real PostgreSQL, held to the behaviours of every connector. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, test } from 'node:test'
import { postgresSink, postgresSource } from '../../src/connect/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered } from '../conformance/outsides.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openDatabase } from './database.ts'

const server = await startService('postgres')
if (typeof server === 'string') test('connectors of PostgreSQL', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const database = await openDatabase(url)
  after(async () => {
    await database.close()
    await server.dispose()
  })
  let tables = 0

  // With an end and without, with rows told apart by a key and by the watermark alone.
  for (const more of [{}, { every: '10ms' }, { key: 'n' }]) {
    connectorConformance({
      source: {
        declaration: postgresSource,
        open: async (_t, count) => {
          const table = `source_${tables++}`
          await database.sql(`CREATE TABLE ${table} (n integer PRIMARY KEY, "text" text)`)
          const events = numbered(count)
          return {
            config: { url, table, watermark: { column: 'n' }, ...more },
            events,
            cut: cutAll,
            put: () => database.sql(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [JSON.stringify(events.map(({ value }) => value))]).then(() => undefined),
          }
        },
      },
    })
  }

  const received = (table: string) => async (): Promise<OutsideEvent[]> =>
    (await database.sql(`SELECT n, "group", "text" FROM ${table} ORDER BY "order"`)).map(({ n, group, text }) => ({ value: { n: Number(n), group: group ?? '', text: text ?? '' } }))
  for (const key of [[], ['n']]) {
    connectorConformance({
      sink: {
        declaration: postgresSink,
        open: async () => {
          const table = `sink_${tables++}`
          await database.sql(`CREATE TABLE ${table} ("order" bigint GENERATED ALWAYS AS IDENTITY, n integer ${key.length === 0 ? '' : 'PRIMARY KEY'}, "group" text, "text" text)`)
          return {
            config: { url, table, key },
            received: received(table),
            cut: cutAll,
            refuse: picks => {
              const bad = Array.from({ length: 1000 }, (_, n) => n).filter(n => picks({ n, group: n % 2 === 0 ? 'a' : 'b', text: `event ${n}: ä "quoted"` }))
              // The kit does not wait, and the table must refuse from now on.
              const { status, stderr } = spawnSync('psql', [url, '-c', `ALTER TABLE ${table} ADD CHECK (n NOT IN (${bad.join()}))`])
              assert.equal(status, 0, String(stderr))
            },
          }
        },
      },
      except: { output_only_override: 'a sink writes to one table' },
    })
  }
}
