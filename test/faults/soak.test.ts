/** A short run of `make soak`: one round of each kind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Soak } from './soaking.ts'

const seed = Date.now() % 1_000_000
const soak = new Soak(seed, 4)

for (const [round, name] of ['from file to file', 'to a server behind a network', 'from log to log'].entries()) {
  test(`nothing is missing ${name} after kills, stops and reloads at random moments (seed ${seed})`, async () => {
    await soak.round(round)
    assert.equal(soak.soaked.rounds, round + 1)
  })
}
