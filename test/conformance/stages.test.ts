/** The conformance kit over the built-in stages, each with the first of its examples that shows what goes in; and over a stage of a plug-in, on threads. */
import { fileURLToPath } from 'node:url'
import { stages } from '../../src/stages/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { tally } from './tally.fixture.ts'

const EXAMPLES = fileURLToPath(new URL('../../src/stages/', import.meta.url))
const NO_BAD = 'its example has no event that it fails on'

for (const declaration of stages) {
  const example = declaration.examples?.find(({ input = [] }) => input.length > 0)
  if (example === undefined) continue
  const input = (example.input ?? []) as readonly JsonValue[] // Examples are JSON.
  connectorConformance({ stage: { declaration, config: example.config, input }, folder: EXAMPLES, except: { at_least_once_delivery: NO_BAD } })
}

const events = Array.from({ length: 80 }, (_, n) => ({ n, device: `d${(n * 7) % 5}` }))
connectorConformance({
  stage: {
    declaration: tally,
    config: {},
    input: events,
    key: 'event.device',
    bad: [{ n: -1, device: null }, { device: 'd1' }],
  },
  plugin: new URL('./tally.fixture.ts', import.meta.url),
})
