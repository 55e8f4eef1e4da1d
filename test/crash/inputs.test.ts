/** Killed runs over the other inputs: CSV and gzip files, which are exactly once as JSON lines are; and streams, which can't be read again. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before, test } from 'node:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { inFolder, killAgainAndAgain, lettersIn, linesOf, runKilled, sizeOf } from './killing.ts'

const LINES = 16_000
let folder = ''
const at = (name: string): string => inFolder(folder)(name)

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-kill-inputs-'))
  const rows = Array.from({ length: LINES }, (_, n) => ({ n, key: `k${(n * 7919) % 50}`, text: n % 10 === 3 ? 'a "quoted", text' : `t${n}` }))
  const broken = (n: number): boolean => n % 997 === 5
  writeFileSync(at('in.csv'), `n,key,text\n${rows.map(({ n, key, text }) => (broken(n) ? `${n},"${key}"x,${text}` : `${n},${key},"${text.replaceAll('"', '""')}"`)).join('\n')}\n`)
  const lines = rows.map(row => (broken(row.n) ? '{"n":' : JSON.stringify(row)))
  const half = LINES / 2
  writeFileSync(at('in.ndjson.gz'), Buffer.concat([lines.slice(0, half), lines.slice(half)].map(part => gzipSync(`${part.join('\n')}\n`))))
})
after(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  writeFileSync(at(`${name}.yaml`), text)
  return at(`${name}.yaml`)
}

function pipeline(name: string, input: string, sink = ''): string {
  return write(name, `pipeline: ${name}
sources:
  in: { file: { path: ${input}, options: ${input.endsWith('.csv') ? '{ types: { n: number } }' : '{}'} } }
stages:
  - score: { field: event.n, key: event.key, as: score }
sinks:
  out: { file: { path: ${name}.out.ndjson${sink} } }
dead_letters: { file: { path: ${name}.dead.ndjson } }
state: ${name}.state
checkpoint_interval: 15ms
batch: { bytes: 20KiB }
`)
}

for (const input of ['in.csv', 'in.ndjson.gz']) {
  test(`a killed run over ${input} ends with the bytes of one that was left alone`, async () => {
    const name = input.replaceAll('.', '-')
    await runKilled(pipeline(`${name}-whole`, input))
    const whole = readFileSync(at(`${name}-whole.out.ndjson`))
    assert.ok(linesOf(at(`${name}-whole.out.ndjson`)).length > LINES * 0.99)
    assert.ok(lettersIn(at(`${name}-whole.dead.ndjson`)).length > 10)
    const kills = await killAgainAndAgain(pipeline(name, input), at(`${name}.out.ndjson`), whole.length, [[0.1, 2], [0.5, 0], [0.8, 1]])
    assert.ok(kills >= 2, `only ${kills} runs were caught alive`)
    assert.ok(readFileSync(at(`${name}.out.ndjson`)).equals(whole))
    assert.deepEqual(lettersIn(at(`${name}.dead.ndjson`)), lettersIn(at(`${name}-whole.dead.ndjson`)))
  })
}

test('a killed run that appends to what was there before adds everything once', async () => {
  await runKilled(pipeline('plain', 'in.ndjson.gz'))
  const whole = readFileSync(at('plain.out.ndjson'))
  writeFileSync(at('added.out.ndjson'), 'what was there before\n')
  const kills = await killAgainAndAgain(pipeline('added', 'in.ndjson.gz', ', mode: append'), at('added.out.ndjson'), whole.length, [[0.0001, 1], [0.5, 0]])
  assert.ok(kills >= 1, `only ${kills} runs were caught alive`)
  assert.ok(readFileSync(at('added.out.ndjson')).equals(Buffer.concat([Buffer.from('what was there before\n'), whole])))
})

test('standard input is given again after a kill: every event is there at least once, and no line is torn', async () => {
  const input = Array.from({ length: LINES }, (_, n) => `{"n":${n}}\n`).join('')
  const file = write('stdin', `pipeline: stdin
sources:
  in: { stdin: {} }
sinks:
  out: { file: { path: stdin.out.ndjson } }
state: stdin.state
checkpoint_interval: 5ms
batch: { bytes: 4KiB }
`)
  const killed = await runKilled(file, { workers: 1, input, at: { path: at('stdin.out.ndjson'), bytes: input.length * 0.3 } })
  assert.equal(killed, null)
  await runKilled(file, { workers: 1, input })
  const lines = linesOf(at('stdin.out.ndjson')).map(line => (JSON.parse(line) as { n: number }).n)
  // What the last cut of the killed run held stands in front; behind it the whole input, in its order.
  const kept = lines.length - LINES
  assert.ok(kept >= 0)
  assert.deepEqual(lines.slice(0, kept), Array.from({ length: kept }, (_, n) => n))
  assert.deepEqual(lines.slice(kept), Array.from({ length: LINES }, (_, n) => n))
})

for (const [name, how] of [['with checkpoints', 'state: NAME.state\ncheckpoint_interval: 5ms'], ['without them, appending', '']] as const) {
  test(`what a client was told is durable is there after a kill, ${name}`, async () => {
    const id = how === '' ? 'appending' : 'checked'
    const file = write(id, `pipeline: ${id}
sources:
  in: { http_server: { host: 127.0.0.1, port: 0, path: /in } }
sinks:
  out: { file: { path: ${id}.out.ndjson${how === '' ? ', mode: append' : ''} } }
${how.replace('NAME', id)}
`)
    const confirmed: number[] = []
    let next = 0
    for (let round = 0; round < 3; round++) await serveAndKill(file, async url => {
      // Several clients post until the server is gone; each counts what it was told is durable.
      const client = async (): Promise<void> => {
        for (let sent = 0; ; sent++) {
          const n = next++
          const response = await fetch(`${url}/in`, { method: 'POST', body: JSON.stringify({ n, text: 'x'.repeat(n % 500) }) }).catch(() => undefined)
          if (response === undefined) return
          await response.text().catch(() => '')
          if (response.status === 200) confirmed.push(n)
        }
      }
      await Promise.all(Array.from({ length: 8 }, client))
    }, () => confirmed.length >= (round + 1) * 60)
    assert.ok(confirmed.length >= 180)
    const there = new Set(linesOf(at(`${id}.out.ndjson`)).flatMap(line => {
      try {
        return [(JSON.parse(line) as { n: number }).n]
      } catch {
        return [] // A line that the kill tore: nobody was told that it is durable.
      }
    }))
    assert.deepEqual(confirmed.filter(n => !there.has(n)), [])
  })
}

/** Runs a pipeline that listens, lets `work` talk to it, and kills it once `enough` holds. */
async function serveAndKill(file: string, work: (url: string) => Promise<void>, enough: () => boolean): Promise<void> {
  let child: ChildProcess | undefined
  let talking: Promise<void> | undefined
  let said = ''
  const watch = setInterval(() => {
    if (enough()) child?.kill('SIGKILL')
  }, 1)
  const ended = await runKilled(file, {
    started: process => (child = process),
    said: text => {
      said += text
      const place = /listens at (\S+:\d+)/.exec(said)?.[1]
      if (place !== undefined) talking ??= work(`http://${place}`)
    },
  })
  clearInterval(watch)
  await talking
  assert.equal(ended, null, said)
}

test('a run that was killed before it read anything is as if it had not been', async () => {
  const file = pipeline('early', 'in.csv')
  await runKilled(file, { started: child => setTimeout(() => child.kill('SIGKILL'), 1) })
  await runKilled(file)
  assert.equal(sizeOf(at('early.out.ndjson')), sizeOf(at('in-csv-whole.out.ndjson')))
})
