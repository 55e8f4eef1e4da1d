/** One event of a thousand is poison. The pipeline goes on, the dead letters say exactly what and why. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Trial, upTo } from './trial.ts'

const COUNT = 200_000
const isBroken = (n: number): boolean => n % 2000 === 7
const isWrong = (n: number): boolean => n % 2000 === 1007

function poisoned(t: TestContext): Trial {
  const trial = new Trial('poison')
  t.after(() => trial.remove())
  trial.write('in.ndjson', upTo(COUNT).map(n => (isBroken(n) ? `{"n":${n},\n` : isWrong(n) ? `{"n":${n},"v":"no number"}\n` : `{"n":${n},"v":1}\n`)).join(''))
  return trial
}

const pipeline = (workers: number): string => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ validate: { rules: [{ check: 'type(event.v) != string', message: no number }] } }]
sinks: { out: { file: { path: out.ndjson } } }
dead_letters: { file: { path: failed.ndjson } }
workers: ${workers}
`

for (const workers of [0, 2]) {
  test(`the dead letters hold each poisonous event once, with its bytes, place and reason (${workers} workers)`, async t => {
    const trial = poisoned(t)
    trial.write('p.yaml', pipeline(workers))
    const { events_in, events_out, dead_lettered } = await trial.run()
    assert.deepEqual({ events_in, events_out, dead_lettered }, { events_in: COUNT, events_out: { out: COUNT - COUNT / 1000 }, dead_lettered: COUNT / 1000 })
    assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(COUNT).filter(n => !isBroken(n) && !isWrong(n)))
    const input = trial.lines('in.ndjson')
    let offset = 0
    const expected = input.flatMap((line, n) => {
      const at = offset
      offset += line.length + 1
      if (!isBroken(n) && !isWrong(n)) return []
      return [{ original: line, offset: at, code: isBroken(n) ? 'JSON_SYNTAX' : 'VALIDATE_FAILED', stage: isBroken(n) ? 'in' : 'validate' }]
    })
    const found = trial.letters().map(letter => {
      assert.notEqual(letter.reason, '')
      return { original: letter.original, offset: letter.position.offset, code: letter.code, stage: letter.stage }
    })
    assert.deepEqual(found, expected)
  })
}
