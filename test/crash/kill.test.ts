/** Exactly once, file to file: a run that is killed again and again ends with the bytes of one that was left alone. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../src/platform/index.ts'
import { inFolder, killAgainAndAgain, lettersIn, runKilled } from './killing.ts'

const LINES = 60_000
let folder = ''
const at = (name: string): string => inFolder(folder)(name)

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-kill-'))
  const random = seededRandom(42)
  const lines: string[] = []
  for (let n = 0; n < LINES; n++) lines.push(n % 997 === 5 ? `{"n":${n},` : JSON.stringify({ n, key: `k${Math.floor(random() * 50)}`, value: Math.round(random() * 10_000) / 100, id: Math.floor(random() * 40_000) }))
  writeFileSync(join(folder, 'in.ndjson'), `${lines.join('\n')}\n`)
})
after(() => rmSync(folder, { recursive: true }))

function pipeline(name: string, keyed: boolean): string {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(
    file,
    `pipeline: ${name}
sources:
  in: { file: { path: in.ndjson } }
stages:
  - filter: event.value > 5
${keyed ? '  - partition_by: event.key\n' : ''}  - dedupe: { key: event.id, window: 0s }
  - score: { field: event.value, key: event.key, as: score }
  - id: by
    route: { odd: event.score > 1, even: true }
sinks:
  odd: { from: by.odd, file: { path: ${name}-odd.ndjson } }
  even: { from: by.even, file: { path: ${name}-even.ndjson } }
dead_letters: { file: { path: ${name}-dead.ndjson } }
state: ${name}-state
checkpoint_interval: 15ms
batch: { bytes: 20KiB }
`,
  )
  return file
}

for (const keyed of [false, true]) {
  test(`killed again and again, with other numbers of workers, the output is that of one run${keyed ? ', behind partition_by too' : ''}`, async () => {
    const whole = keyed ? 'keyed-whole' : 'whole'
    const killed = keyed ? 'keyed-killed' : 'killed'
    await runKilled(pipeline(whole, keyed))
    const expected = ['odd', 'even'].map(part => readFileSync(join(folder, `${whole}-${part}.ndjson`)))
    const total = expected[0]?.length ?? 0
    assert.ok(total > 100_000)
    const kills = await killAgainAndAgain(pipeline(killed, keyed), at(`${killed}-odd.ndjson`), total, [[0.05, 2], [0.3, 0], [0.35, 1], [0.6, 3], [0.9, 2]])
    assert.ok(kills >= 3, `only ${kills} runs were caught alive`)
    assert.deepEqual(['odd', 'even'].map(part => readFileSync(join(folder, `${killed}-${part}.ndjson`)).equals(expected[part === 'odd' ? 0 : 1] ?? Buffer.alloc(0))), [true, true])
    assert.deepEqual(lettersIn(at(`${killed}-dead.ndjson`)), lettersIn(at(`${whole}-dead.ndjson`)))
  })
}

test('a run on an input that has grown goes on where the last one ended', async () => {
  const file = pipeline('growing', false)
  await runKilled(file, { workers: 1 })
  const first = readFileSync(join(folder, 'growing-even.ndjson'), 'utf8')
  appendFileSync(join(folder, 'in.ndjson'), '{"n":-1,"key":"new","value":50,"id":99999999}\n')
  await runKilled(file, { workers: 1 })
  assert.equal(readFileSync(join(folder, 'growing-even.ndjson'), 'utf8'), `${first}{"n":-1,"key":"new","value":50,"id":99999999,"score":0}\n`)
})

test('two runs can not use one state folder', async () => {
  const file = pipeline('locked', false)
  const lock = join(folder, 'locked-state')
  const { CheckpointLog } = await import('../../src/engine/checkpoint/index.ts')
  const { systemFiles } = await import('../../src/platform/index.ts')
  const log = await CheckpointLog.open(lock, 'locked', systemFiles)
  await assert.rejects(runKilled(file), /STATE_LOCKED/)
  await log.close()
  await runKilled(file)
})
