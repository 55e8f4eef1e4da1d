import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { runPipeline } from '../../engine/index.ts'
import { memoryCodec, testRegistry } from '../../engine/testing.ts'
import { renderDiagnostics } from '../diagnostic.ts'
import { buildPipeline } from './build.ts'
import { collect, each, items } from './ends.ts'
import { pipeline } from './pipeline.ts'
import type { Pipeline } from './pipeline.ts'

const base = testRegistry([])

/** Runs a pipeline in memory; answers its dead letters. */
async function run<T>(chain: Pipeline<T>): Promise<{ readonly code: string; readonly reason: string }[]> {
  const letters: { readonly code: string; readonly reason: string }[] = []
  const { config, registry, diagnostics } = buildPipeline(chain.deadLetters(collect(letters)), base)
  assert.equal(renderDiagnostics(diagnostics.list()), '')
  assert.ok(config)
  await runPipeline(config, registry)
  return letters
}

test('a chain of functions runs like a chain of stages', async () => {
  const out: unknown[] = []
  const letters = await run(
    pipeline('late', { workers: 0 })
      .from(items([{ id: 'a', delay: 90 }, { id: 'b', delay: 5 }, { id: 'c', delay: 120 }]))
      .filter(flight => flight.delay > 60)
      .map(flight => ({ flight: flight.id, hours: flight.delay / 60 }))
      .to(collect(out)),
  )
  assert.deepEqual(out, [{ flight: 'a', hours: 1.5 }, { flight: 'c', hours: 2 }])
  assert.deepEqual(letters, [])
})

test('what a function throws sends that one event to the dead letters', async () => {
  const out: unknown[] = []
  const letters = await run(
    pipeline('throws', { workers: 0 }).from(items([1, 2, 3])).map(n => {
      if (n === 2) throw new Error('two is too many')
      return n * 10
    }).to(collect(out)),
  )
  assert.deepEqual(out, [10, 30])
  assert.deepEqual(letters.map(letter => letter.reason), ['two is too many'])
})

test('a map that yields undefined leaves the event out, and a flat map makes several', async () => {
  const out: unknown[] = []
  const chain = pipeline('parts', { workers: 0 }).from(items(['a b', '', 'c']))
  await run(chain.map(text => (text === '' ? undefined : text)).flatMap(text => text.split(' ')).to(collect(out)))
  assert.deepEqual(out, ['a', 'b', 'c'])
})

test('a validator of the Standard Schema refuses events, also when it answers later', async () => {
  const positive: StandardSchemaV1<unknown, number> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: value => {
        const result = typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'must be positive', path: ['amount'] }] }
        return value === 3 ? Promise.resolve(result) : result
      },
    },
  }
  const out: unknown[] = []
  const letters = await run(pipeline('valid', { workers: 0 }).from(items<unknown>([1, -2, 3, 4])).validate(positive).map(n => n + 1).to(collect(out)))
  assert.deepEqual(out, [2, 4, 5])
  assert.deepEqual(letters.map(({ code, reason }) => [code, reason]), [['VALIDATE_FAILED', 'amount: must be positive']])
})

test('a look-up joins from a map, or from a function that waits', async () => {
  const cities = new Map([['sfo', 'San Francisco']])
  const out: unknown[] = []
  const chain = pipeline('enrich', { workers: 0 }).from(items([{ from: 'sfo' }, { from: 'xyz' }]))
  await run(
    chain
      .enrich(cities, event => event.from, (event, city) => ({ ...event, city: city ?? null }))
      .enrich(async key => Promise.resolve(key.length), event => event.from, (event, length) => ({ ...event, length }))
      .to(collect(out)),
  )
  assert.deepEqual(out, [{ from: 'sfo', city: 'San Francisco', length: 3 }, { from: 'xyz', city: null, length: 3 }])
})

test('a route sends each event one way, and every way can be continued', async () => {
  const even: unknown[] = []
  const rest: unknown[] = []
  const all: unknown[] = []
  const chain = pipeline('route', { workers: 0 }).from(items([1, 2, 3, 4]))
  const routed = chain.route({ even: n => n % 2 === 0 })
  routed.even.map(n => n * 100).to(collect(even))
  routed.rest.to(collect(rest))
  await run(chain.to(collect(all)))
  assert.deepEqual([even, rest, all], [[200, 400], [1, 3], [1, 2, 3, 4]])
})

test('several sources make one chain, and a chain may have several sinks', async () => {
  const first: unknown[] = []
  const second: unknown[] = []
  await run(pipeline('fan', { workers: 0 }).from(items([1])).from(items(['a'])).to(collect(first)).to(each((event: number | string) => void second.push(event))))
  assert.deepEqual([first, second], [[1, 'a'], [1, 'a']])
})

test('values may come one after the other, as they are made', async () => {
  async function* numbers(): AsyncGenerator<number> {
    yield 1
    await Promise.resolve()
    yield 2
  }
  const out: unknown[] = []
  await run(pipeline('async', { workers: 0 }).from(items(numbers())).to(collect(out)))
  assert.deepEqual(out, [1, 2])
})

test('the same chain built twice has the same nodes and names', () => {
  const make = (): Pipeline<number> => pipeline('same').from(items([1])).filter(n => n > 0).map(n => n + 1).to(collect([]))
  const [one, other] = [make(), make()].map(chain => buildPipeline(chain, base).config)
  assert.ok(one)
  assert.deepEqual(one, other)
  assert.deepEqual(one.stages.map(stage => [stage.id, stage.type]), [['filter', 'inline:1'], ['map', 'inline:2']])
})

test('a wrong setting is told as in a file', () => {
  const chain = pipeline('wrong', { memory: '64 elephants', batch: { events: 0 } }).from(items([1])).filter(n => n > 0, { retry: { attempts: 2 } }).to(collect([]))
  const { config, diagnostics } = buildPipeline(chain, base)
  assert.equal(config, undefined)
  assert.equal(renderDiagnostics(diagnostics.list()), `pipeline "wrong":10:5  CONFIG_UNKNOWN_FIELD
  10 |     retry:
     |     ~~~~~
  "retry" means nothing for "inline:1", which never waits for the outside.
  Take it away.

pipeline "wrong":18:9  CONFIG_VALUE
  18 | memory: 64 elephants
     |         ~~~~~~~~~~~~
  "memory" must be a size such as 64MiB or 4096, not "64 elephants".

pipeline "wrong":20:11  CONFIG_VALUE
  20 |   events: 0
     |           ~
  "batch.events" must be a whole number from 1 to 10000000, not 0.
`)
})

test('the codec that memory ends use is that of JSON lines', () => {
  assert.equal(memoryCodec.type, 'ndjson')
})
