/** Stops at random moments: while a run begins, works, and takes another config. `SLUICE_STORM=200` for so many. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LANES, Storm, stormLength, stormSeed } from './storm.ts'

for (const name of LANES) {
  test(`${stormLength} stops at random moments of a pipeline between ${name} lose nothing and double nothing (seed ${stormSeed})`, async t => {
    const { stopped, worked } = await new Storm(name, stormSeed).stops(stormLength)
    t.diagnostic(`${stopped} stopped, ${worked} of them at work`)
    assert.ok(worked * 3 >= stopped, `only ${worked} of ${stopped} were stopped at work`)
  })
}
