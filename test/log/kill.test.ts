/**
 * A process that writes is killed at a random moment, again and again, on a real folder. After each kill another process opens the log, and what was acknowledged
 * must be there once and in order.
 *
 * SLUICE_SOAK=n kills n times as often.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { History, assertClean } from '../../src/log/conformance/history.testing.ts'
import type { NotedSend, NotedTransaction } from '../../src/log/conformance/history.testing.ts'
import { seededRandom } from '../../src/platform/index.ts'
import { SOAK, evidence } from './evidence.ts'
import { readAll } from './inspect.ts'
import { openReal } from './open.ts'
import { MOVED, PLAIN } from './workload.ts'

const KILLS = 20 * SOAK
const WRITER = join(import.meta.dirname, 'kill-writer.ts')

class Notes {
  readonly history = new History()
  readonly #sends = new Map<string, NotedSend>()
  readonly #transactions = new Map<string, NotedTransaction>()
  acked = 0

  read(line: string): void {
    const [mark, first = '', second = '', third = '', fourth = ''] = line.split(' ')
    if (mark === '>') this.#sends.set(second, this.history.send(first, third, second, this.#transactions.get(fourth)))
    else if (mark === '<') {
      this.#sends.get(first)?.ok(BigInt(second))
      this.acked++
    } else if (mark === '(') this.#transactions.set(first, this.history.begin())
    else if (mark === '!') this.#transactions.get(first)?.committing()
    else if (mark === ')') this.#transactions.get(first)?.ok()
    else if (mark === 'x') this.#transactions.get(first)?.failed()
  }
}

/** Lets a writer work until it acknowledged so many records, then kills it; resolves when it is gone and all it said was read. */
async function writeAndKill(folder: string, life: number, notes: Notes, acks: number): Promise<void> {
  const child = spawn(process.execPath, [WRITER, folder, `l${life}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const until = notes.acked + acks
  for await (const line of createInterface({ input: child.stdout })) {
    notes.read(line)
    if (notes.acked >= until && !child.killed) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.ok(child.killed, `the writer ended by itself: ${errors.join('')}`)
}

test(`a log is killed ${KILLS} times under load: nothing acknowledged is lost, nothing is doubled`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-'))
  const random = seededRandom(1)
  const notes = new Notes()
  const opening: number[] = []
  try {
    for (let life = 1; life <= KILLS; life++) {
      await writeAndKill(folder, life, notes, Math.floor(random() ** 2 * 400))
      const started = performance.now()
      const { log } = await openReal(folder)
      opening.push(performance.now() - started)
      for (const topic of [PLAIN, MOVED]) for (const partition of [0, 1]) notes.history.final(`${topic}/${partition}`, await readAll(log, { topic, partition }))
      await log.close()
      assertClean(notes.history, `after kill ${life}`)
    }
    const slowest = Math.max(...opening)
    assert.ok(slowest < 2000, `opening took ${Math.round(slowest)} ms`)
    evidence('R01-kill', { kills: KILLS, 'records acknowledged': notes.acked, transactions: notes.history.transactions.length, 'slowest opening, ms': Math.round(slowest) })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
