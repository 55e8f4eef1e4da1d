/** Sources whose network goes wrong: what they ask for again comes once, and what clients send again is there. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { FaultyProxy } from '../servers/proxy.ts'
import type { Hurts } from '../servers/proxy.ts'
import { Trial, until, upTo } from './trial.ts'

const PAGES = 40
const PER_PAGE = 50

/** A server of pages behind a proxy, and a pipeline that reads them into a file. */
async function pages(t: TestContext, timeout: number): Promise<{ readonly proxy: FaultyProxy; readonly trial: Trial; readonly asked: number[] }> {
  const asked: number[] = []
  const server = createServer((request, response) => {
    const page = Number(new URL(request.url ?? '', 'http://h').searchParams.get('page'))
    asked.push(page)
    response.end(JSON.stringify(page > PAGES ? [] : upTo(PER_PAGE).map(n => ({ n: (page - 1) * PER_PAGE + n }))))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const proxy = new FaultyProxy(`127.0.0.1:${(server.address() as AddressInfo).port}`) // It listens on a port.
  const at = await proxy.listen()
  const trial = new Trial('sources')
  t.after(async () => {
    await proxy.close()
    server.closeAllConnections()
    server.close()
    trial.remove()
  })
  trial.write('p.yaml', `pipeline: p
sources: { in: { http_client: { url: 'http://${at}/', paging: { by: page }, timeout: ${timeout}ms } } }
sinks: { out: { file: { path: out.ndjson } } }
dead_letters: { file: { path: failed.ndjson } }
workers: 0
`)
  return { proxy, trial, asked }
}

const HURTS: Readonly<Record<string, Hurts>> = {
  'that is late': { latency: 2, jitter: 10 },
  'in pieces of 31 bytes': { slice: 31 },
  'whose connections are reset after 3 kB': { limit: 3000 },
}

for (const [name, hurts] of Object.entries(HURTS)) {
  test(`pages that are read through a network ${name} come once and in order`, async t => {
    const { proxy, trial } = await pages(t, 10_000)
    proxy.hurt(hurts)
    const { events_in, dead_lettered } = await trial.run()
    assert.deepEqual([events_in, dead_lettered], [PAGES * PER_PAGE, 0])
    assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(PAGES * PER_PAGE))
  })
}

test('a page whose answer stands still is asked for again when its time is over', async t => {
  const { proxy, trial, asked } = await pages(t, 300)
  proxy.hurt({ latency: 5 })
  const run = trial.start()
  await until(() => asked.length >= 5, run)
  proxy.stall()
  await until(() => proxy.taken.length >= 3, run)
  proxy.heal()
  const { code, err } = await run.ended
  assert.equal(code, 0, err)
  assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(PAGES * PER_PAGE))
})
