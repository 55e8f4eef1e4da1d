/** `enrich` by a table, and `lookup` by a server on this machine. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { StageTest, run, textEvent } from './testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-enrich-'))
after(() => rmSync(folder, { recursive: true }))
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
write('t.csv', '\ufeffid,owner,limit,on\r\n1,"ana ""a""",2.5,yes\r\n2,bo,,no\r\n')

test('columns are set at the end of the event, in the order of the config, and nothing else changes', async () => {
  const { texts } = await run('enrich', { table: 't.csv', key: 'event.id', fields: ['limit', 'owner'] }, ['{ "id":"1" , "n":1.0 }'], folder)
  assert.deepEqual(texts, ['{ "id":"1" , "n":1.0,"limit":"2.5","owner":"ana \\"a\\""}'])
})

test('a whole row is put where as says, with columns of the types given', async () => {
  const { values } = await run('enrich', { table: 't.csv', key: 'event.id', as: 'is.known', types: { limit: 'number', on: 'boolean' } }, [{ id: 1 }, { id: '2' }], folder)
  assert.deepEqual(values, [{ id: 1, is: { known: { id: '1', owner: 'ana "a"', limit: 2.5, on: true } } }, { id: '2', is: { known: { id: '2', owner: 'bo', limit: null, on: false } } }])
})

test('on_missing says what becomes of an event that the table does not know', async () => {
  const answers = async (on_missing: string): Promise<string[]> => (await run('enrich', { table: 't.csv', key: 'event.id', fields: ['owner'], on_missing }, [{ id: 'x' }], folder)).all.map(one => (one.answer === 'emit' ? one.text : one.answer))
  assert.deepEqual([await answers('null'), await answers('drop'), await answers('pass'), await answers('reject')], [['{"id":"x","owner":null}'], ['drop'], ['{"id":"x"}'], ['reject']])
})

test('a JSON table is looked up by its first field, or by the column named', async () => {
  write('t.json', '[{"code":"a","n":{"deep":1}},{"code":"b","n":2}]')
  assert.deepEqual((await run('enrich', { table: 't.json', key: 'event.c', fields: ['n'] }, [{ c: 'a' }], folder)).values, [{ c: 'a', n: { deep: 1 } }])
  assert.deepEqual((await run('enrich', { table: 't.json', key: 'event.c', column: 'n', fields: ['code'] }, [{ c: 2 }], folder)).values, [{ c: 2, code: 'b' }])
})

test('what is wrong with a table is told when the stage opens, with its place', async () => {
  const failure = async (name: string, text: string, config: object = { fields: ['owner'] }): Promise<string> => {
    write(name, text)
    const error = await run('enrich', { table: name, key: 'event.id', ...config }, [], folder).then(() => undefined, (reason: unknown) => reason)
    assert.ok(error instanceof Error && 'code' in error)
    return `${String(error.code)}: ${error.message.replace(folder, '')}`
  }
  assert.equal(await failure('a.csv', 'id,owner\n1,a\n2\n'), 'CSV_SYNTAX: /a.csv: record 3 has 1 fields; the header has 2.')
  assert.equal(await failure('b.csv', 'id,owner\n1,"a\n'), 'CSV_SYNTAX: /b.csv: record 2: A quoted field is not closed.')
  assert.equal(await failure('c.csv', 'id,owners\n1,a\n'), 'CONFIG_VALUE: /c.csv has no column "owner". Did you mean "owners"?')
  assert.equal(await failure('d.csv', 'id,n\n1,x\n', { as: 'r', types: { n: 'number' } }), 'CSV_SYNTAX: /d.csv: record 2, column "n": "x" is no number.')
  assert.match(await failure('e.json', '[{]'), /^CONFIG_VALUE: \/e.json is not JSON: /)
  assert.match(await run('enrich', { table: 'none.csv', key: '1', as: 'r' }, [], folder).then(String, String), /none.csv can't be read/)
})

test('a table that has changed is read again within a second; one that is broken then keeps its old rows', async () => {
  const stage = new StageTest('enrich', { table: 'live.csv', key: '"k"', fields: ['v'] }, folder)
  let age = 0
  const change = (text: string): void => {
    write('live.csv', text)
    utimesSync(join(folder, 'live.csv'), 1000, 1000 + age++)
  }
  const now = async (): Promise<unknown> => (await stage.process([textEvent('{}')])).texts[0]
  change('k,v\nk,1\n')
  await stage.stage.open?.()
  change('k,v\nk,2\n')
  await stage.clock.advance(999)
  assert.equal(await now(), '{"v":"1"}')
  await stage.clock.advance(1)
  assert.equal(await now(), '{"v":"2"}')
  change('k,v\nk\n')
  await stage.clock.advance(1000)
  assert.equal(await now(), '{"v":"2"}')
  assert.equal(stage.warnings.length, 1)
})

test('lookup escapes what comes from the event, and asks the server once for each address', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (request.url?.endsWith('none') === true) response.writeHead(404).end()
    else if (request.url?.endsWith('long') === true) response.end(JSON.stringify({ v: 'x'.repeat(2_000_000) }))
    else if (request.url?.endsWith('busy') === true) response.writeHead(503).end()
    else response.end('{"v":1}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on a port.
  try {
    const config = { url: `http://127.0.0.1:${port}/of/{event.id}`, key: 'event.id', as: 'r', on_missing: 'null' }
    const answers = await run('lookup', config, [{ id: 'a/../b?c#d' }, { id: 'none' }, { id: 'a/../b?c#d' }, { id: '..' }, { id: 'long' }, { id: 'busy' }, { id: 7 }])
    assert.deepEqual(asked, ['/of/a%2F..%2Fb%3Fc%23d', '/of/none', '/of/long', '/of/busy', '/of/7'])
    assert.deepEqual(answers.values, [{ id: 'a/../b?c#d', r: { v: 1 } }, { id: 'none', r: null }, { id: 'a/../b?c#d', r: { v: 1 } }, { id: 7, r: { v: 1 } }])
    assert.deepEqual(answers.rejected.map(text => text.split(':')[0]), ['FIELD_TYPE', 'HTTP_STATUS', 'HTTP_STATUS'])
  } finally {
    server.closeAllConnections()
    server.close()
  }
  assert.throws(() => new StageTest('lookup', { url: '{event.url}', key: 'event.id', as: 'r' }), { code: 'CONFIG_VALUE' })
  assert.throws(() => new StageTest('lookup', { url: 'http://{event.host}/', key: 'event.id', as: 'r' }), { code: 'CONFIG_VALUE' })
})
