/** Kills pipelines that write into a bucket, and looks at what is there. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../src/platform/index.ts'
import { runKilled } from '../crash/killing.ts'
import type { S3Server } from './server.ts'

/** The field `n` of all events below a prefix. */
export async function numbersBelow(server: S3Server, prefix: string): Promise<number[]> {
  return (await server.textBelow(prefix)).split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { n: number }).n)
}

/** The manifest tells of exactly the objects that are there, each as it is. Answers its lines. */
export async function checkManifest(server: S3Server, name: string, events: number): Promise<{ readonly key: string; readonly input: readonly unknown[] }[]> {
  const lines = (await server.textBelow(`${name}-manifest/`)).split('\n').filter(line => line !== '')
  const told = lines.map(line => JSON.parse(line) as { key: string; sha256: string; events: number; bytes: number; input: unknown[] })
  assert.deepEqual(told.map(({ key }) => key).toSorted(), (await server.keys(`${name}/`)).toSorted())
  for (const { key, sha256, bytes } of told) {
    const body = await server.get(key)
    assert.equal(body.length, bytes)
    assert.equal(createHash('sha256').update(body).digest('hex'), sha256)
  }
  assert.equal(told.reduce((sum, one) => sum + one.events, 0), events)
  return told
}

/** Kills a run whenever it has made some more objects, at a random moment after; then lets it end. Each event must be there once in between too. Answers how many runs were killed. */
export async function killAtRandom(server: S3Server, file: string, name: string, rounds: number): Promise<number> {
  const random = seededRandom(7)
  const below = join(server.service.folder, 'data', server.config.bucket, name)
  const objects = (): number => (existsSync(below) ? readdirSync(below, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.zst')).length : 0)
  let kills = 0
  for (let round = 0; round < rounds; round++) {
    const wanted = objects() + 1 + Math.floor(random() * 6)
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
    const found = await numbersBelow(server, `${name}/`)
    assert.equal(new Set(found).size, found.length, 'an event stands in two objects')
  }
  await runKilled(file, { workers: 2 })
  return kills
}
