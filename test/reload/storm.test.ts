/** Reloads at random moments, under load. `SLUICE_STORM=200` for so many. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LANES, Storm, stormLength, stormSeed } from './storm.ts'

for (const name of LANES) {
  test(`${stormLength} reloads under load of a pipeline between ${name} lose nothing and double nothing (seed ${stormSeed})`, async t => {
    const { switched, refused, eventsMeanwhile } = await new Storm(name, stormSeed).reloads(stormLength)
    t.diagnostic(`${switched} switched, ${refused} refused, ${eventsMeanwhile} events meanwhile`)
    assert.ok(switched + refused >= stormLength && eventsMeanwhile > stormLength)
  })
}
