/** A disk that fills under a running pipeline and has room again later. Nothing is lost or torn, and nobody has to start it anew. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Trial, until, upTo } from './trial.ts'
import type { Started } from './trial.ts'
import { smallVolume } from './volume.ts'
import type { Volume } from './volume.ts'

const MIB = 2 ** 20
const found = smallVolume(6 * MIB)
const skip = typeof found === 'string' ? found : false
if (typeof found === 'string') console.log(`Skipped: ${found}`)
else after(() => found.dispose())

const COUNT = 60_000
const FEW = 15_000
const FILLER = 'x'.repeat(20)
const RETRY = 'retry: { attempts: 0, deadline: 0s, backoff: 5ms, backoff_max: 30ms }'

/** The volume, empty, and a pipeline with an input on another disk. */
function bench(t: TestContext, yaml: (volume: string) => string): { readonly volume: Volume; readonly trial: Trial } {
  const volume = found as Volume // The tests are skipped where there is none.
  const trial = new Trial('disk')
  volume.empty()
  t.after(() => trial.remove())
  trial.numbers('in.ndjson', COUNT, FILLER)
  trial.write('p.yaml', yaml(volume.folder))
  return { volume, trial }
}

/** Waits until the run has filled what was left, and gives the rest back a while later. */
async function fullForAWhile(volume: Volume, run: Started): Promise<void> {
  await until(() => volume.free() === 0, run)
  await new Promise(done => setTimeout(done, 600))
  assert.ok(!run.isOver, run.err)
  volume.clear()
}

const numbersIn = (path: string): number[] => readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { readonly n: number }).n)

test('a file sink waits while its disk is full, and goes on where it was', { skip }, async t => {
  const { volume, trial } = bench(t, folder => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
sinks: { out: { file: { path: '${folder}/a.ndjson' }, ${RETRY} } }
dead_letters: { file: { path: failed.ndjson } }
workers: 0
batch: { bytes: 8KiB }
`)
  volume.fill(MIB)
  const run = trial.start()
  await fullForAWhile(volume, run)
  const { code, err } = await run.ended
  assert.equal(code, 0, err)
  assert.ok(trial.account().retries > 0)
  assert.deepEqual(numbersIn(join(volume.folder, 'a.ndjson')), upTo(COUNT))
  assert.deepEqual(trial.letters(), [])
})

test('dead letters wait while their disk is full, and each bad event is among them once', { skip }, async t => {
  const { volume, trial } = bench(t, folder => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ validate: { rules: [{ check: event.n % 2 == 0, message: odd }] } }]
sinks: { out: { file: { path: out.ndjson } } }
dead_letters: { file: { path: '${folder}/failed.ndjson' }, ${RETRY} }
workers: 0
batch: { bytes: 8KiB }
`)
  trial.numbers('in.ndjson', 12_000)
  volume.fill(MIB / 2)
  const run = trial.start()
  await fullForAWhile(volume, run)
  const { code, err } = await run.ended
  assert.equal(code, 0, err)
  assert.equal(trial.account().dead_lettered, 6000)
  const originals = readFileSync(join(volume.folder, 'failed.ndjson'), 'utf8').trimEnd().split('\n').map(line => (JSON.parse(line) as { readonly original: string }).original)
  assert.deepEqual(originals, upTo(12_000).filter(n => n % 2 === 1).map(n => `{"n":${n}}`))
  assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(12_000).filter(n => n % 2 === 0))
})

test('a log that finds no room waits for it and goes on in order, and health says what it waits for', { skip }, async t => {
  const { volume, trial } = bench(t, folder => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
sinks: { out: { log: { log: '${folder}/data', topic: t, create: { partitions: 1 } } } }
dead_letters: { file: { path: failed.ndjson } }
state: state
checkpoint_interval: 20ms
workers: 0
batch: { bytes: 8KiB }
`)
  volume.fill(MIB)
  const run = trial.start()
  await fullForAWhile(volume, run)
  const { code, err } = await run.ended
  assert.equal(code, 0, err)
  assert.match(err, /out: .*no space left.* It is tried again\.\n/i)
  assert.match(err, /out: works again, after \d+ failed attempts?/)
  assert.deepEqual(trial.letters(), [])
  assert.deepEqual(await readBack(trial, volume, 't'), upTo(COUNT))
})

test('exactly once on a log goes over a full disk too: what waits stays in its transaction', { skip }, async t => {
  const { volume, trial } = bench(t, folder => `pipeline: p
sources: { in: { log: { log: '${folder}/data', topic: given, until: end } } }
sinks: { out: { log: { log: '${folder}/data', topic: t, create: { partitions: 1 } } } }
dead_letters: { file: { path: failed.ndjson } }
delivery: exactly_once
checkpoint_interval: 20ms
workers: 0
batch: { bytes: 8KiB }
`)
  trial.numbers('few.ndjson', FEW, FILLER)
  trial.write('fill.yaml', `pipeline: fill
sources: { in: { file: { path: few.ndjson } } }
sinks: { out: { log: { log: '${volume.folder}/data', topic: given, create: { partitions: 1 } } } }
workers: 0
`)
  await trial.run(['fill.yaml'])
  volume.fill(MIB / 4)
  const run = trial.start()
  await fullForAWhile(volume, run)
  const { code, err } = await run.ended
  assert.equal(code, 0, err)
  assert.match(err, /It is tried again\.\n/)
  assert.deepEqual(await readBack(trial, volume, 't'), upTo(FEW))
})

/** The numbers of a topic, as a reader sees them. */
async function readBack(trial: Trial, volume: Volume, topic: string): Promise<number[]> {
  trial.write('read.yaml', `pipeline: read
sources: { in: { log: { log: '${volume.folder}/data', topic: ${topic}, until: end } } }
sinks: { out: { file: { path: read.ndjson } } }
workers: 0
`)
  await trial.run(['read.yaml'])
  return trial.numbersIn('read.ndjson')
}

test('checkpoints that find no room end the run with what to do, and the next start goes on as if nothing had been', { skip }, async t => {
  const { volume, trial } = bench(t, folder => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ dedupe: { key: event.n % 500, window: 0s } }]
sinks: { out: { file: { path: out.ndjson } } }
dead_letters: { file: { path: failed.ndjson } }
state: '${folder}/state'
checkpoint_interval: 5ms
workers: 0
batch: { bytes: 8KiB }
`)
  volume.fill(8192)
  const { code, err } = await trial.start().ended
  assert.equal(code, 1)
  assert.match(err, /STATE_FAILED.*ENOSPC/)
  assert.match(err, /the run goes on from the last checkpoint/)
  volume.clear()
  await trial.run()
  assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(500))
  assert.deepEqual(trial.letters(), [])
})
