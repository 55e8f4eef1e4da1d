/** Exactly once into a bucket: `sluice run` is killed at random moments and at every step of a checkpoint; in the end the objects hold each event once, and at no time one twice. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { seededRandom } from '../../src/platform/index.ts'
import { killAtEach } from '../crash/failpoints.ts'
import { runKilled } from '../crash/killing.ts'
import { startS3 } from './server.ts'

const LINES = 30_000
const server = await startS3()
if (typeof server === 'string') test('killed while writing into a bucket', { skip: server }, () => undefined)
else {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
  })
  writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ n, city: `c${n % 3}`, text: 'x'.repeat(40) })}\n`).join(''))

  const pipeline = (name: string, more: string): string => {
    const file = join(folder, `${name}.yaml`)
    const { config } = server
    writeFileSync(file, `pipeline: ${name}
sources: { in: { file: { path: in.ndjson } } }
stages:
  - filter: event.n % 10 != 3
sinks:
  out:
    s3:
      bucket: ${config.bucket}
      key: ${name}/city={event.city}/rows.ndjson.zst
      endpoint: ${config.endpoint}
      access_key: ${config.access_key}
      secret_key: ${config.secret_key}
      age: 20ms
      events: 2000
state: ./${name}-state
checkpoint_interval: 1ms
batch: { bytes: 4KiB }
memory: 64KiB
${more}`)
    return file
  }

  const numbersBelow = async (prefix: string): Promise<number[]> => (await server.textBelow(prefix)).split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { n: number }).n)
  const expected = Array.from({ length: LINES }, (_, n) => n).filter(n => n % 10 !== 3)

  test('killed at random moments, each event is there once, also between the runs', async () => {
    const file = pipeline('random', '')
    const random = seededRandom(7)
    const objects = (): number => readdirSync(join(server.service.folder, 'data', server.config.bucket), { recursive: true, encoding: 'utf8' }).filter(path => path.startsWith('random') && path.endsWith('.zst')).length
    let kills = 0
    for (let round = 0; round < 8; round++) {
      const before = objects()
      // Some objects later, and then a moment that falls anywhere between two requests.
      const wanted = before + 1 + Math.floor(random() * 6)
      const late = random() * 20
      let watch: NodeJS.Timeout | undefined
      const code = await runKilled(file, {
        workers: round % 3,
        started: child => {
          watch = setInterval(() => {
            if (objects() < wanted) return
            clearInterval(watch)
            setTimeout(() => child.kill('SIGKILL'), late)
          }, 2)
        },
      })
      clearInterval(watch)
      if (code !== null) break
      kills++
      const found = await numbersBelow('random/')
      assert.equal(new Set(found).size, found.length, 'an event stands in two objects')
    }
    assert.ok(kills >= 3, `only ${kills} runs were caught alive`)
    await runKilled(file, { workers: 2 })
    assert.deepEqual((await numbersBelow('random/')).toSorted((a, b) => a - b), expected)
  })

  test('killed at every step of a checkpoint, each event is there once', async () => {
    pipeline('steps', '')
    assert.ok((await killAtEach(folder, 'steps.yaml', ['checkpoint.written', 'checkpoint.synced', 's3.uploaded', 's3.completed'])) >= 6)
    assert.deepEqual((await numbersBelow('steps/')).toSorted((a, b) => a - b), expected)
  })
}
