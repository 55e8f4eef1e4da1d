/** Stops at random moments under load: the exit code is 0 within the deadline, clients get answers and no resets, and nothing is lost or doubled over the restarts. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { seededRandom } from '../../src/platform/index.ts'
import { sizeOf } from '../crash/killing.ts'
import { Trial, until, upTo } from './trial.ts'

const SOAK = Number(process.env['SLUICE_SOAK'] ?? 1)
const sleep = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms))

function trialFor(t: TestContext): Trial {
  const trial = new Trial('stopping')
  t.after(() => trial.remove())
  return trial
}

test('a pipeline that is told to stop again and again, once or twice, ends with the output of one run', async t => {
  const seed = Date.now() % 1_000_000
  const random = seededRandom(seed)
  const trial = trialFor(t)
  const turns = 12 * SOAK
  // As much as is not used up before the last turn.
  const count = turns * 16_000
  trial.numbers('in.ndjson', count)
  trial.write('p.yaml', `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ filter: event.n % 10 != 3 }, { dedupe: { key: event.n, window: 0s } }]
sinks: { out: { file: { path: out.ndjson }, rate_limit: { events: 2000, per: 100ms } } }
dead_letters: { file: { path: failed.ndjson } }
state: state
checkpoint_interval: 10ms
batch: { bytes: 8KiB }
memory: 64KiB
`)
  let stopped = 0
  for (let turn = 0; turn < turns; turn++) {
    const run = trial.start(['p.yaml', '--workers', String(turn % 3)])
    // Well within its work, or before it has begun.
    const before = sizeOf(trial.path('out.ndjson'))
    if (turn % 4 !== 3) await until(() => sizeOf(trial.path('out.ndjson')) > before, run)
    await sleep(random() * 200)
    const since = performance.now()
    run.kill('SIGTERM')
    const twice = turn % 3 === 2
    if (twice) {
      await sleep(random() * 30)
      run.kill('SIGTERM')
    }
    const { code, signal, err } = await run.ended
    // What has not begun yet has nothing to drain; a second signal leaves what is under way to the next start, and says so by its code.
    const allowed = twice ? [0, 1] : [0]
    assert.ok(signal === 'SIGTERM' || allowed.includes(code ?? -1), `seed ${seed}, turn ${turn}: exit code ${code}: ${err}`)
    assert.ok(performance.now() - since < 10_000, `seed ${seed}, turn ${turn}: it took ${performance.now() - since} ms`)
    if (code === 0 && err.includes('Stopping')) stopped++
  }
  assert.ok(stopped >= turns / 3, `only ${stopped} runs were caught alive`)
  console.log(`${stopped} of ${turns} runs stopped under load`)
  trial.write('p.yaml', readFileSync(trial.path('p.yaml'), 'utf8').replace(/, rate_limit: [^}]*\}/, ''))
  await trial.run()
  assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(count).filter(n => n % 10 !== 3), `seed ${seed}`)
  assert.deepEqual(trial.letters(), [])
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo // It listens on a port.
  await new Promise<unknown>(done => server.close(done))
  return port
}

/** A post: its status, or the code of the error. */
function post(port: number, agent: Agent, body: string): Promise<number | string> {
  return new Promise(done => {
    const call = request({ port, host: '127.0.0.1', method: 'POST', path: '/', agent, headers: { 'content-type': 'application/x-ndjson', 'content-length': body.length } }, response => {
      response.on('error', error => done(String((error as NodeJS.ErrnoException).code)))
      response.resume().on('end', () => done(response.statusCode ?? 0))
    })
    call.on('error', error => done(String((error as NodeJS.ErrnoException).code)))
    call.end(body)
  })
}

test('clients of a server that is stopped again and again get 200 or 503 and no reset, and what was answered with 200 is there', async t => {
  const trial = trialFor(t)
  const port = await freePort()
  trial.write('p.yaml', `pipeline: p
sources: { in: { http_server: { port: ${port} } } }
sinks: { out: { file: { path: out.ndjson, mode: append } } }
dead_letters: { file: { path: failed.ndjson } }
workers: 0
`)
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  t.after(() => agent.destroy())
  const statuses = new Map<number | string, number>()
  const durable: number[] = []
  let [next, isOver] = [0, false]
  const client = async (): Promise<void> => {
    while (!isOver) {
      const n = next++
      const status = await post(port, agent, `{"n":${n}}\n`)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (status === 200) durable.push(n)
      // Clients that are told to come back later do so.
      if (status !== 200) await sleep(400)
    }
  }
  const random = seededRandom(7)
  const clients: Promise<void>[] = []
  for (let turn = 0; turn < 6 * SOAK; turn++) {
    const run = trial.start()
    if (clients.length === 0) for (let each = 0; each < 8; each++) clients.push(client())
    const before = durable.length
    await until(() => durable.length > before + 50, run)
    await sleep(random() * 150)
    run.kill('SIGTERM')
    const { code, err } = await run.ended
    assert.equal(code, 0, err)
    trial.account()
  }
  isOver = true
  await Promise.all(clients)
  // Nobody listens between two runs: those are refused before anything was sent.
  for (const status of statuses.keys()) assert.ok([200, 503, 'ECONNREFUSED'].includes(status), `${status}: ${statuses.get(status)} times`)
  const found = trial.numbersIn('out.ndjson')
  const held = new Set(found)
  assert.deepEqual(durable.filter(n => !held.has(n)), [])
  // One that was not answered was not sent again here: nothing comes twice.
  assert.equal(found.length, held.size)
})
