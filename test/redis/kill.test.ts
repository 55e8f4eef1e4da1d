/** At least once: `sluice run` is killed at random moments between two streams of Redis; in the end no entry is missing, and none is left pending. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { seededRandom } from '../../src/platform/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { runKilled } from '../crash/killing.ts'
import { startService } from '../servers/service.ts'
import { openRedis } from './client.ts'

const COUNT = 20_000
const server = await startService('redis')
if (typeof server === 'string') test('killed between streams of Redis', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const redis = await openRedis(url)
  after(async () => {
    redis.close()
    await server.dispose()
  })

  for (const state of ['', 'state: ./state\ncheckpoint_interval: 5ms\n']) {
    test(`killed at random moments ${state === '' ? 'without' : 'with'} checkpoints, every entry arrives`, async t => {
      const name = state === '' ? 'plain' : 'kept'
      const folder = folderOf(t)
      const file = join(folder, 'pipeline.yaml')
      writeFileSync(file, `pipeline: ${name}\nsources: { in: { redis_streams: { url: "${url}", stream: ${name}, group: g, until: end } } }\nsinks: { out: { redis_streams: { url: "${url}", stream: ${name}-out, entries: 100 } } }\nbatch: { bytes: 4KiB, events: 200 }\nmemory: 64KiB\n${state}`)
      for (let from = 0; from < COUNT; from += 1000) await Promise.all(Array.from({ length: 1000 }, (_, n) => redis.call('XADD', name, '*', 'body', JSON.stringify({ n: from + n }))))
      const written = async (): Promise<number> => Number(await redis.call('XLEN', `${name}-out`))
      const random = seededRandom(11)
      let kills = 0
      for (let round = 0; round < 5; round++) {
        const wanted = (await written()) + 1 + Math.floor(random() * 3000)
        const code = await runKilled(file, {
          workers: round % 3,
          started: child => void (async () => {
            while (child.exitCode === null && child.signalCode === null) if ((await written()) >= wanted) child.kill('SIGKILL')
          })(),
        })
        if (code === null) kills++
      }
      await runKilled(file, { workers: 1 })
      assert.ok(kills >= 3, `${kills} runs were killed`)
      const found = (await redis.events(`${name}-out`)).map(({ value }) => (value as { readonly n: number }).n) // Made above.
      assert.deepEqual([...new Set(found)].sort((a, b) => a - b), Array.from({ length: COUNT }, (_, n) => n))
      t.diagnostic(`${kills} kills, ${found.length - COUNT} entries twice`)
      assert.deepEqual((await redis.call('XPENDING', name, 'g') as readonly unknown[])[0], 0)
    })
  }
}
