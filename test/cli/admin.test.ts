/** The admin server of the real command: metrics, health, and changing a pipeline that runs. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const sluice = join(import.meta.dirname, '../../bin/sluice.js')
const folder = mkdtempSync(join(tmpdir(), 'sluice-admin-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const PIPELINE = `pipeline: live
sources: { in: { generate: { shape: sensor, rate: 5000, count: 100000000 } } }
stages:
  - id: check
    validate: { ranges: { temperature: [-50, 30] } }
sinks: { out: { discard: {} } }
dead_letters: { file: { path: dead.ndjson } }
`

interface Running {
  readonly process: ChildProcess
  readonly url: string
  readonly ended: Promise<number | null>
  said(): string
}

/** Starts the pipeline; resolves when it answers. */
async function start(env: Readonly<Record<string, string>> = {}, admin = '127.0.0.1:0'): Promise<Running> {
  const child = spawn(process.execPath, [sluice, 'run', 'p.yaml', '--admin', admin, '--progress', 'none', '--workers', '1'], { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  const ended = new Promise<number | null>(resolve => child.on('close', code => resolve(code)))
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (data: Buffer) => {
      text += data.toString()
      const found = /Admin: (http:\S+)/.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    })
    void ended.then(() => reject(new Error(text)))
  })
  return { process: child, url, ended, said: () => text }
}

interface Answer {
  readonly status: number
  readonly text: string
}
async function ask(running: Running, path: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(running.url + path, init)
  return { status: response.status, text: await response.text() }
}
const figures = async (running: Running): Promise<{ readonly state: string; readonly generation: number; readonly events_in: number }> => JSON.parse((await ask(running, '/v1/pipelines/live')).text) as never // Its own answer.

/** Asks until the answer is so. */
async function until<T>(look: () => Promise<T>, isSo: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look()
    if (isSo(found)) return found
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

let running: Running
before(async () => {
  writeFileSync(join(folder, 'p.yaml'), PIPELINE)
  running = await start()
  await until(() => ask(running, '/startupz'), ({ status }) => status === 200)
})
after(async () => {
  running.process.kill('SIGKILL')
  await running.ended
})

test('metrics tell what goes through, and keep to the conventions', async t => {
  const first = await until(() => ask(running, '/metrics'), ({ text }) => /sluice_source_events_total\{[^}]*\} [1-9]/.test(text))
  assert.match(first.text, /sluice_errors_total\{pipeline="live",component="check",code="VALIDATE_FAILED"\} [1-9]/)
  spawnSync('bash', ['-c', `service=promtool; . "${join(import.meta.dirname, '../servers/lib.sh')}"; debian promtool prometheus`])
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: first.text, encoding: 'utf8' })
  if (checked.error !== undefined && (process.env['CI'] ?? '') === '') return t.skip('promtool is not here: apt-get install prometheus')
  assert.equal(checked.error, undefined)
  // The process's own figures have names of the library's choice.
  const complaints = `${checked.stdout}${checked.stderr}`.split('\n').filter(line => line.includes('sluice_'))
  assert.deepEqual(complaints, [])
})

test('what goes in comes out, is filtered or dead, whenever it is looked at', async () => {
  interface Seen { readonly events_in: number; readonly filtered: number; readonly batches: number; readonly workers: readonly Readonly<Record<string, number>>[]; readonly seconds: number; readonly sinks: readonly { readonly events: number }[] }
  const seen = JSON.parse((await ask(running, '/v1/pipelines/live')).text) as Seen // Its own answer.
  const out = seen.sinks.reduce((sum, { events }) => sum + events, 0)
  assert.ok(out <= seen.events_in && seen.events_in - out < 5000 * Math.max(1, seen.batches), `${out} of ${seen.events_in}`)
  for (const worker of seen.workers) {
    const sum = Object.entries(worker).reduce((all, [name, value]) => (name.endsWith('_seconds') ? all + value : all), 0)
    assert.ok(sum > 0 && sum <= seen.seconds, `${sum} of ${seen.seconds} s`)
  }
})

test('a pause lets sources rest until the pipeline is resumed', async () => {
  assert.equal((await ask(running, '/v1/pipelines/live/pause', { method: 'POST' })).status, 200)
  const rests = await until(() => figures(running), ({ state }) => state === 'paused')
  let before = rests.events_in
  // What was read goes on; then nothing more comes.
  await until(async () => {
    const now = (await figures(running)).events_in
    const same = now === before
    before = now
    return same
  }, same => same)
  assert.equal((await ask(running, '/readyz')).status, 200)
  await ask(running, '/v1/pipelines/live/resume', { method: 'POST' })
  await until(() => figures(running), now => now.state === 'running' && now.events_in > before)
})

test('a reload takes the file up again; one that is broken is refused with its place', async () => {
  const before = (await figures(running)).generation
  writeFileSync(join(folder, 'p.yaml'), PIPELINE.replace('30]', '31]'))
  const good = JSON.parse((await ask(running, '/v1/pipelines/live/reload', { method: 'POST' })).text) as { readonly outcome: string; readonly generation: number; readonly difference: { readonly restarted: string[] } } // Its own answer.
  assert.deepEqual([good.outcome, good.generation, good.difference.restarted], ['switched', before + 1, ['check']])
  writeFileSync(join(folder, 'p.yaml'), PIPELINE.replace('ranges', 'rnges'))
  const bad = await ask(running, '/v1/pipelines/live/reload', { method: 'POST' })
  assert.equal(bad.status, 409)
  assert.match(bad.text, /rnges/)
  writeFileSync(join(folder, 'p.yaml'), PIPELINE)
  assert.equal((await figures(running)).generation, before + 1)
})

test('the number of workers is changed while it runs, by a number or by auto, and the decision is told with its reason', async () => {
  const scale = async (workers: unknown): Promise<Answer> => ask(running, '/v1/pipelines/live/scale', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ workers }) })
  assert.deepEqual(JSON.parse((await scale(2)).text), { outcome: 'changed', workers: 2, auto: false })
  interface Seen { readonly workers: readonly object[]; readonly generation: number; readonly adaptive: { readonly workers_auto: boolean; readonly decisions: readonly Readonly<Record<string, unknown>>[] } }
  const seen = async (): Promise<Seen> => JSON.parse((await ask(running, '/v1/pipelines/live')).text) as Seen // Its own answer.
  const { workers, adaptive } = await seen()
  assert.equal(workers.length, 2)
  const { at, ...decision } = adaptive.decisions.at(-1) ?? {}
  assert.deepEqual([typeof at, decision], ['number', { what: 'workers', from: 1, to: 2, why: 'asked for', by: 'order', figures: {} }])
  assert.match((await ask(running, '/metrics')).text, /sluice_adaptive_decisions_total\{pipeline="live",what="workers",direction="up"\} 1/)
  assert.equal((JSON.parse((await scale('auto')).text) as { readonly auto: boolean }).auto, true) // Its own answer.
  assert.equal((await seen()).adaptive.workers_auto, true)
  for (const wrong of [-1, 257, 'many', 1.5, null]) assert.equal((await scale(wrong)).status, 400, String(wrong))
  assert.equal((await ask(running, '/v1/pipelines/other/scale', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"workers":1}' })).status, 404)
  const one = JSON.parse((await scale(1)).text) as { readonly workers: number; readonly auto: boolean } // Its own answer.
  assert.deepEqual([one.workers, one.auto], [1, false])
})

test('who comes under another name, or from a page of another site, is not answered', async () => {
  const { status } = await ask(running, '/v1/pipelines', { headers: { origin: 'https://evil.example' } })
  assert.equal(status, 403)
  const port = new URL(running.url).port
  const curl = spawnSync('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: evil.example', `http://127.0.0.1:${port}/metrics`], { encoding: 'utf8' })
  assert.equal(curl.stdout, '403')
  assert.equal((await ask(running, '/livez', { headers: { origin: 'https://evil.example' } })).status, 200, 'health is for everybody')
})

test('with a token everything but health wants it, and it stands in no message', async () => {
  const guarded = await start({ SLUICE_ADMIN_TOKEN: 'canary-7f3a' }, '0.0.0.0:0')
  try {
    assert.equal((await ask(guarded, '/metrics')).status, 401)
    const wrong = await ask(guarded, '/v1/pipelines', { headers: { authorization: 'Bearer wrong' } })
    assert.deepEqual([wrong.status, /not the token of this server/.test(wrong.text)], [401, true])
    assert.equal((await ask(guarded, '/v1/pipelines', { headers: { authorization: 'Bearer canary-7f3a' } })).status, 200)
    assert.equal((await ask(guarded, '/livez')).status, 200)
    assert.doesNotMatch((await ask(guarded, '/metrics', { headers: { authorization: 'Bearer canary-7f3a' } })).text + guarded.said(), /canary/)
  } finally {
    guarded.process.kill('SIGKILL')
    await guarded.ended
  }
})

test('wrong addresses are told before anything runs', () => {
  const run = (...args: string[]): { readonly status: number | null; readonly stderr: string } => spawnSync(process.execPath, [sluice, 'run', 'p.yaml', ...args], { cwd: folder, encoding: 'utf8' })
  const open = run('--admin', '0.0.0.0:9100')
  assert.deepEqual([open.status, /needs a token/.test(open.stderr)], [2, true])
  const wrong = run('--admin', 'here')
  assert.deepEqual([wrong.status, /takes HOST:PORT or PORT, not "here"/.test(wrong.stderr)], [2, true])
  const taken = run('--admin', new URL(running.url).port)
  assert.deepEqual([taken.status, /ADMIN_LISTEN/.test(taken.stderr)], [1, true])
})

test('the document of the interface names its paths', async () => {
  const { text } = await ask(running, '/v1/openapi.json')
  const { paths } = JSON.parse(text) as { readonly paths: Readonly<Record<string, object>> } // Its own answer.
  for (const path of ['/metrics', '/readyz', '/v1/pipelines/{id}', '/v1/pipelines/{id}/reload', '/v1/pipelines/{id}/scale']) assert.ok(path in paths, path)
})

test('a drain ends the process when everything has landed', async () => {
  writeFileSync(join(folder, 'p.yaml'), PIPELINE)
  const other = await start()
  await until(() => figures(other).catch(() => undefined), now => (now?.events_in ?? 0) > 0)
  await ask(other, '/v1/pipelines/live/drain', { method: 'POST' })
  assert.equal(await other.ended, 0)
  assert.match(other.said(), /stopped after .*nothing left under way/)
  assert.ok(readFileSync(join(folder, 'dead.ndjson'), 'utf8').includes('VALIDATE_FAILED'))
})
