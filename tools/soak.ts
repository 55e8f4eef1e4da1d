/**
 * Runs pipelines through trouble for a long time: kills, stops and reloads at random moments, networks and servers that go wrong. Ends with an error at the first event
 * that is missing, doubled where exactly-once is promised, or given up without reason.
 *
 *     SOAK_MINUTES=60 node tools/soak.ts            prints its seed
 *     node tools/soak.ts --seed 7 --round 12        one round again
 */
import { parseArgs } from 'node:util'
import { Soak } from '../test/faults/soaking.ts'

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, round: { type: 'string' } } })
  const minutes = Number(process.env['SOAK_MINUTES'] ?? 60)
  if (!(minutes > 0)) throw new Error('SOAK_MINUTES takes a number above 0')
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  console.log(`seed ${seed}`)
  const soak = new Soak(seed)
  if (values.round !== undefined) return soak.round(Number(values.round))
  const started = performance.now()
  for (let round = 0; performance.now() - started < minutes * 60_000; round++) {
    await soak.round(round)
    console.log(`${Math.round((performance.now() - started) / 1000)} s  ${Object.entries(soak.soaked).map(([name, value]) => `${name} ${value}`).join('  ')}`)
  }
  console.log('Nothing is missing.')
}

await main()
