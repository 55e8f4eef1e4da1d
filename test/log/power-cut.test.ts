/**
 * The power goes after every single storage operation of a recorded run, and each time the disk keeps another legal part of what was not synced. The log is opened
 * on what is left: what was acknowledged must be there, nothing else may be, and work must go on.
 *
 * SLUICE_SOAK=n makes n runs and tries n outcomes per operation.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { SOAK, evidence } from './evidence.ts'
import { inShares } from './outside.ts'

test('after a power cut at any operation everything acknowledged is there, and nothing else', async () => {
  const sums: Record<string, number> = { runs: SOAK }
  for (let run = 1; run <= SOAK; run++) {
    const counts = await inShares(2, 'power-cut.ts', 'once', run, SOAK)
    assert.ok((counts['operations'] ?? 0) >= 2000 && (counts['cuts'] ?? 0) > 2000, JSON.stringify(counts))
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count
  }
  evidence('R03-power-cut', sums)
})

test('the power may go again at any operation of the recovery', async () => {
  const counts = await inShares(2, 'power-cut.ts', 'again', 100, SOAK)
  assert.ok((counts['cuts'] ?? 0) > 100, JSON.stringify(counts))
  evidence('R03-power-cut-again', counts)
})
