/** Parquet files in a bucket, read back by hyparquet, PyArrow and DuckDB. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { runFile } from '../../src/runtime.ts'
import { startS3 } from './server.ts'

/** Where PyArrow and DuckDB are, or why they are not. */
function readers(): { readonly packages: string } | string {
  const { status, stdout, stderr } = spawnSync(join(import.meta.dirname, '../servers/parquet-readers'), ['fetch'], { encoding: 'utf8' })
  if (status === 0) return { packages: stdout.trim().replace('packages=', '') }
  if (process.env['CI'] !== undefined) throw new Error(`No readers of Parquet for the tests: ${stderr}`)
  return stderr.trim()
}

const LINES = 5000
const server = await startS3()
if (typeof server === 'string') test('Parquet files in a bucket', { skip: server }, () => undefined)
else {
  const python = readers()
  const folder = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
  })
  const events = Array.from({ length: LINES }, (_, n) => ({ n, big: 2 ** 53 - 1 - n, half: n / 2, city: n % 7 === 0 ? null : `Köln ${n % 5}`, open: n % 2 === 0, at: new Date(1767225600000 + n).toISOString(), tags: ['a', { n }] }))
  const write = async (name: string, lines: readonly unknown[], sink: Readonly<Record<string, unknown>> = {}, more: Readonly<Record<string, unknown>> = {}) => {
    writeFileSync(join(folder, 'in.ndjson'), lines.map(line => `${JSON.stringify(line)}\n`).join(''))
    writeFileSync(join(folder, 'p.yaml'), JSON.stringify({
      pipeline: 'p', sources: { in: { file: { path: 'in.ndjson' } } }, sinks: { out: { s3: { ...server.config, key: `${name}/rows.parquet`, ...sink } } }, dead_letters: { file: { path: 'dead.ndjson' } }, ...more,
    }))
    const report = await runFile('p.yaml', { folder })
    const bodies = await Promise.all((await server.keys(`${name}/`)).map(key => server.get(key)))
    return { report, bodies }
  }
  const rowsOf = async (body: Buffer): Promise<Record<string, unknown>[]> => parquetReadObjects({ file: new Uint8Array(body).buffer, compressors })
  const columnsOf = (body: Buffer): string[] => parquetMetadata(new Uint8Array(body).buffer).schema.slice(1).map(({ name, type, converted_type: converted }) => `${name} ${converted ?? type}`)

  for (const compression of ['auto', 'none', 'gzip'] as const) {
    test(`columns are made up from the events, compression ${compression}`, async () => {
      const { bodies: [body = Buffer.alloc(0), ...more] } = await write(`inferred-${compression}`, events, { row_group: '100KiB', compression }, { batch: { bytes: '32KiB' } })
      assert.deepEqual(more, [])
      assert.deepEqual(columnsOf(body), ['n INT64', 'big INT64', 'half DOUBLE', 'city UTF8', 'open BOOLEAN', 'at UTF8', 'tags JSON', '_rest JSON'])
      const { row_groups: groups } = parquetMetadata(new Uint8Array(body).buffer)
      assert.ok(groups.length > 3)
      const rows = await rowsOf(body)
      assert.deepEqual(rows.map(({ n, big, _rest, ...rest }) => ({ n: Number(n), big: Number(big), ...rest })), events)
      assert.ok(rows.every(row => row['_rest'] === null || row['_rest'] === undefined))
    })
  }

  test('what does not fit the columns is kept beside them, and nothing is lost', async () => {
    const first = Array.from({ length: 500 }, (_, n) => ({ a: n, text: 'x'.repeat(50) }))
    const odd = [{ a: 'text', text: 'y' }, { a: 1.5, more: [1] }, 7, ['b'], { __proto__x: 1, a: null }, JSON.parse('{"__proto__":{"x":1}}') as unknown]
    const { bodies: [body = Buffer.alloc(0)] } = await write('odd', [...first, ...odd], { row_group: '4KiB' }, { batch: { bytes: '4KiB' } })
    const rows = (await rowsOf(body)).slice(first.length)
    const back = rows.map(({ a, text, _rest }) => {
      if (typeof _rest !== 'object' || _rest === null || Array.isArray(_rest)) return _rest ?? { ...(a === undefined || a === null ? {} : { a }), ...(text === null || text === undefined ? {} : { text }) }
      return JSON.parse(JSON.stringify({ ...(text === null || text === undefined ? {} : { text }), ..._rest })) as unknown
    })
    assert.deepEqual(back.map(row => JSON.stringify(row)), ['{"text":"y","a":"text"}', '{"a":1.5,"more":[1]}', '7', '["b"]', '{"__proto__x":1}', '{}'])
    assert.match(JSON.stringify(rows.at(-1)), /_rest/)
  })

  test('given columns have their types, and an event that does not fit goes to the dead letters', async () => {
    const columns = { at: 'timestamp', n: 'integer', half: 'number', city: 'string', gone: 'boolean' }
    const { report, bodies: [body = Buffer.alloc(0)] } = await write('given', [...events, { n: 1.5 }, { at: 'no time' }, 7], { options: { columns } })
    assert.equal(report.dead_lettered, 3)
    assert.deepEqual(columnsOf(body), ['at TIMESTAMP_MILLIS', 'n INT64', 'half DOUBLE', 'city UTF8', 'gone BOOLEAN'])
    const rows = await rowsOf(body)
    assert.deepEqual(rows.map(({ at, n, half, city }) => ({ at: (at as Date).toISOString(), n: Number(n), half, city })), events.map(({ at, n, half, city }) => ({ at, n, half, city })))
  })

  test('PyArrow and DuckDB read the same from it', { skip: typeof python === 'string' ? python : false }, async () => {
    const program = `
import sys, json, pyarrow.parquet, duckdb
path = sys.argv[1]
table = pyarrow.parquet.read_table(path)
rows = duckdb.sql(f"select count(*), sum(n), sum(half), count(city), count(*) filter (where open), min(tags->>'$[0]'), max(cast(tags->>'$[1].n' as int)) from '{path}'").fetchall()[0]
print(json.dumps({"schema": [str(f.type) for f in table.schema], "sum": sum(table.column("n").to_pylist()), "city": table.column("city")[1].as_py(), "duck": [str(v) for v in rows]}))
`
    const total = events.reduce((sum, { n }) => sum + n, 0)
    for (const compression of ['auto', 'none', 'gzip']) {
      const { bodies: [body = Buffer.alloc(0)] } = await write(`python-${compression}`, events, { row_group: '100KiB', compression })
      const path = join(folder, `${compression}.parquet`)
      writeFileSync(path, body)
      const { stdout, stderr } = spawnSync('python3', ['-c', program, path], { encoding: 'utf8', env: { ...process.env, PYTHONPATH: typeof python === 'string' ? '' : python.packages } })
      assert.equal(stderr, '')
      const { schema, ...told } = JSON.parse(stdout) as { schema: string[] }
      assert.deepEqual(schema.slice(0, 5), ['int64', 'int64', 'double', 'string', 'bool'])
      const cities = events.filter(({ city }) => city !== null).length
      assert.deepEqual(told, { sum: total, city: 'Köln 1', duck: [String(LINES), String(total), (total / 2).toFixed(1), String(cities), String(LINES / 2), 'a', String(LINES - 1)] })
    }
  })

  test('a large file goes in parts', async () => {
    const rows = Array.from({ length: 12_000 }, (_, n) => ({ n, text: Array.from({ length: 60 }, () => Math.random().toString(36).slice(2)).join('') }))
    const { bodies: [body = Buffer.alloc(0)] } = await write('large', rows, { row_group: '2MiB', part_size: '5MiB', compression: 'none' }, { state: 'large-state' })
    assert.ok(body.length > 5 << 20)
    assert.deepEqual((await rowsOf(body)).map(({ n, text }) => ({ n: Number(n), text })), rows)
    assert.deepEqual(await server.unfinished(), [])
  })
}
