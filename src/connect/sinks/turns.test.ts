import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SinkChunk } from '../../engine/index.ts'
import { Turns } from './turns.ts'

const chunk = (number: number): SinkChunk => ({ number, target: '', bytes: new Uint8Array(0), rows: 1, ends: undefined })
const idle = (): Promise<void> => new Promise(resolve => void setImmediate(resolve))

test('chunks are written once and in order, however they arrive, and whatever fails', async () => {
  await fc.assert(fc.asyncProperty(
    fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }),
    fc.array(fc.record({ fails: fc.boolean(), takes: fc.integer({ min: 1, max: 8 }) }), { maxLength: 20 }),
    async (arrivals, rounds) => {
      const written: number[] = []
      const turns = new Turns(async chunks => {
        const { fails, takes } = rounds.shift() ?? { fails: false, takes: 8 }
        await idle()
        if (fails) throw new Error('busy')
        const taken = chunks.slice(0, takes)
        written.push(...taken.map(({ number }) => number))
        return taken.length
      })
      const until = async (number: number): Promise<void> => {
        for (;;) {
          try {
            return await turns.write(chunk(number))
          } catch {
            await idle()
          }
        }
      }
      await Promise.all(arrivals.map(until))
      assert.deepEqual(written, [0, 1, 2, 3, 4, 5, 6, 7])
    },
  ))
})

test('what comes while a write is under way is written together', async () => {
  const rounds: number[][] = []
  const turns = new Turns(async chunks => {
    rounds.push(chunks.map(({ number }) => number))
    await idle()
    return chunks.length
  })
  await Promise.all([0, 1, 2, 3].map(number => turns.write(chunk(number))))
  assert.deepEqual(rounds, [[0], [1, 2, 3]])
})
