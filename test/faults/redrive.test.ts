/** Feeding dead letters back to a pipeline with a state: nothing is lost and nothing doubled, whatever ends that in the middle, and the sources are read on where they were. */
import assert from 'node:assert/strict'
import { appendFileSync, renameSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { seededRandom } from '../../src/platform/index.ts'
import { MINUTES, Trial, until, upTo } from './trial.ts'

const LETTERS = 10_000
/** Ends in the middle. */
const TURNS = MINUTES === undefined ? 8 : 20
const AGAIN = ['p.yaml', '--input-dead-letters', 'again.ndjson']

const yaml = (check: string): string => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ validate: { rules: [{ check: '${check}', message: not yet }] } }]
sinks: { out: { file: { path: out.ndjson } } }
dead_letters: { file: { path: failed.ndjson } }
workers: 0
batch: { bytes: 8KiB }
state: state
checkpoint_interval: 5ms
`

/** A run that gave ten thousand events up; the pipeline is mended, and its dead letters are moved away. */
async function givenUp(t: TestContext): Promise<Trial> {
  const trial = new Trial('redrive')
  t.after(() => trial.remove())
  trial.numbers('in.ndjson', LETTERS + 100)
  trial.write('p.yaml', yaml(`event.n >= ${LETTERS}`))
  assert.equal((await trial.run()).dead_lettered, LETTERS)
  renameSync(trial.path('failed.ndjson'), trial.path('again.ndjson'))
  trial.write('p.yaml', yaml('event.n >= 0'))
  return trial
}

const good = Array.from({ length: 100 }, (_, n) => LETTERS + n)

test('dead letters that are fed back come out once each, though that is killed and stopped again and again', async t => {
  const trial = await givenUp(t)
  const seed = Date.now() % 1_000_000
  const random = seededRandom(seed)
  for (let turn = 0; turn < TURNS; turn++) {
    const run = trial.start(AGAIN)
    const goal = 100 + Math.floor(((turn + random()) * LETTERS) / TURNS)
    await until(() => run.isOver || trial.lines('out.ndjson').length >= goal)
    run.kill(turn % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    const { code, signal, err } = await run.ended
    // A signal may also come before the command listens to it.
    assert.ok(signal !== null || code === 0, `seed ${seed}: exit code ${code}: ${err}`)
  }
  await trial.run(AGAIN)
  assert.deepEqual(trial.numbersIn('out.ndjson'), [...good, ...upTo(LETTERS)], `seed ${seed}`)
  assert.deepEqual(trial.letters(), [])
  assert.equal(trial.lines('again.ndjson').length, LETTERS, 'the letters stay where they were')
})

test('the sources are read on behind what was fed back, and the same letters are not taken twice', async t => {
  const trial = await givenUp(t)
  await trial.run(AGAIN)
  appendFileSync(trial.path('in.ndjson'), '{"n":-1}\n{"n":10100}\n')
  assert.equal((await trial.run()).events_in, 2)
  const expected = [...good, ...upTo(LETTERS), 10_100]
  assert.deepEqual(trial.numbersIn('out.ndjson'), expected)
  // Neither the same letters again, nor the source from its start.
  assert.equal((await trial.run(AGAIN)).events_in, 0)
  assert.equal((await trial.run()).events_in, 0)
  assert.deepEqual(trial.numbersIn('out.ndjson'), expected)
  // What failed since is another file, even under the same name.
  assert.deepEqual(trial.letters().map(({ original }) => original), ['{"n":-1}'])
  renameSync(trial.path('failed.ndjson'), trial.path('again.ndjson'))
  trial.write('p.yaml', yaml('event.n >= -1'))
  assert.equal((await trial.run(AGAIN)).events_in, 1)
  assert.deepEqual(trial.numbersIn('out.ndjson'), [...expected, -1])
})
