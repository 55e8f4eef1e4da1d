/** What sources are asked for follows what batches take, in a whole run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../platform/index.ts'
import { defineSink, defineSource } from '../component.ts'
import type { Piece, SinkDeclaration, SourceDeclaration } from '../component.ts'
import * as field from '../fields.ts'
import { runPipeline } from '../run.ts'
import { sinkConfig, testPipeline, testRegistry } from '../testing.ts'

const PIECES = 120

/** Pieces as large as they are asked for; notes the sizes. */
function sizedSource(asked: number[]): SourceDeclaration {
  return defineSource({
    type: 'sized', summary: 'As large as it is asked for', config: field.object({}), replays: true, acks: false,
    create: () => ({
      live: false, format: { format: 'ndjson', options: {} },
      open: () => Promise.resolve(),
      next: (bytes): Promise<Piece | undefined> => {
        if (asked.length === PIECES) return Promise.resolve(undefined)
        asked.push(bytes)
        const data = new Uint8Array(Buffer.from('{"n":1}\n'.repeat(Math.max(1, Math.floor(bytes / 8)))))
        return Promise.resolve({ position: asked.length, from: { line: 0, offset: 0 }, bytes: data.length, data })
      },
      close: () => Promise.resolve(),
    }),
  }) as SourceDeclaration // A source of one config is a source.
}

/** Takes so long for a write on the run's clock. */
function slowSink(clock: SimulatedClock, ms: number): SinkDeclaration {
  return defineSink({
    type: 'memory', summary: 'Takes its time', config: field.object({}), durable: 'flush', encoding: () => ({ format: 'ndjson', options: {} }),
    create: () => ({ open: () => Promise.resolve(), write: () => clock.sleep(ms), flush: () => Promise.resolve(undefined), close: () => Promise.resolve() }),
  }) as SinkDeclaration // A sink of one config is a sink.
}

async function run(latency: number | undefined) {
  const clock = new SimulatedClock()
  const asked: number[] = []
  const config = testPipeline([], [sinkConfig('out', 'a')], { sources: [{ id: 'a', type: 'sized', config: {} }], batch: { bytes: 8192, events: 1000, age: 10, latency } })
  let isOver = false
  const ran = runPipeline(config, testRegistry([sizedSource(asked), slowSink(clock, 400)]), { clock }).finally(() => (isOver = true))
  while (!isOver) await clock.advance(200)
  return { asked, report: await ran }
}

test('with a target for the latency sources are asked for less while it is missed, and the decision is told', async () => {
  const { asked, report } = await run(4000)
  assert.equal(asked[0], 8192)
  assert.ok((asked.at(-1) ?? 0) < 8192 / 2, String(asked.at(-1)))
  assert.equal(report.in_flight, 0)
  const [decision] = report.decisions
  assert.deepEqual([decision?.what, decision?.from, decision?.by], ['batch', 8192, 'controller'])
  assert.match(decision?.why ?? '', /^one batch in ten took \d+ ms or longer$/)
})

test('without one they are asked for what the config says, however slow a sink is', async () => {
  const { asked } = await run(undefined)
  assert.deepEqual([asked[0], asked.at(-1)], [8192, 8192])
})
