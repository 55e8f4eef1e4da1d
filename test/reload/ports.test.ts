/** What only one can own at a time, such as a port, goes from hand to hand in a reload: nobody takes it before the other has given it back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StageConfig } from '../../src/engine/config.ts'
import { Bench, folderFor, pipeline, sink, source, stage, upTo } from './bench.ts'
import type { Parts } from './bench.ts'

const count = (from: string | readonly string[]): StageConfig[] => [stage('count', from, {}, 'count')]

const CASES: Readonly<Record<string, { readonly from: Parts; readonly to: Parts; readonly outcome?: 'rolled_back' }>> = {
  'from a source to itself with another config': { from: { sources: [source('a', { port: '1' })] }, to: { sources: [source('a', { port: '1', note: 'new' })] } },
  'from a source to one of another type': { from: { sources: [source('a', { port: '1' })] }, to: { sources: [source('a', { port: '1' }, 'fed_too')] } },
  'from a source that goes to one that comes': { from: { sources: [source('a'), source('b', { port: '1' })], stages: count(['a', 'b']) }, to: { sources: [source('a'), source('c', { port: '1' })], stages: count(['a', 'c']) } },
  'two, between two sources that change them': {
    from: { sources: [source('a', { port: '1' }), source('b', { port: '2' })], stages: count(['a', 'b']) }, to: { sources: [source('a', { port: '2' }), source('b', { port: '1' })], stages: count(['a', 'b']) },
  },
  'from a source to a sink': { from: { sources: [source('a'), source('b', { port: '1' })], stages: count(['a', 'b']) }, to: { sinks: [sink('out', 'count', { port: '1' })] } },
  'from a sink to a source': { from: { sinks: [sink('out', 'count', { port: '1' })] }, to: { sources: [source('a', { port: '1' })] } },
  'from a sink to itself with another config': { from: { sinks: [sink('out', 'count', { port: '1' })] }, to: { sinks: [sink('out', 'count', { port: '1', note: 'new' })] } },
  'two, between two sinks that change them': {
    from: { sinks: [sink('out', 'count', { port: '1' }), sink('more', 'count', { port: '2' })] }, to: { sinks: [sink('out', 'count', { port: '2' }), sink('more', 'count', { port: '1' })] },
  },
  'kept by a source that stays': { from: { sources: [source('a', { port: '1' })] }, to: { sources: [source('a', { port: '1' })], sinks: [sink('out', 'count', { note: 'new' })] } },
  'not from a source that stays: the new config can\'t be opened': { from: { sources: [source('a', { port: '1' })] }, to: { sources: [source('a', { port: '1' }), source('b', { port: '1' })], stages: count(['a', 'b']) }, outcome: 'rolled_back' },
  'not to two at once': { from: {}, to: { sources: [source('a', { port: '1' }), source('b', { port: '1' })], stages: count(['a', 'b']) }, outcome: 'rolled_back' },
  'back to the one that had it, where another can\'t be opened': {
    from: { sources: [source('a', { port: '1' })] }, to: { sources: [source('a', { port: '2' })], sinks: [sink('out', 'count', { port: '1', fails: 'open' })] }, outcome: 'rolled_back',
  },
}

for (const [name, { from, to, outcome: expected = 'switched' }] of Object.entries(CASES)) {
  for (const hasState of [false, true]) {
    test(`a port goes ${name}, ${hasState ? 'with' : 'without'} state`, async t => {
      const bench = new Bench()
      const state = hasState ? folderFor(t) : undefined
      const ran = bench.start(pipeline(from, state))
      bench.push('a', 20)
      await bench.rest()
      const reload = bench.reload(pipeline(to, state))
      bench.push('a', 20)
      const { outcome, generation } = await reload
      assert.deepEqual([outcome, generation], [expected, expected === 'switched' ? 2 : 1])
      const now = expected === 'switched' ? to : from
      const owners = [...(now.sources ?? []), ...(now.sinks ?? [])].flatMap(({ config }) => (config as { readonly port?: string }).port ?? []) // Made above.
      assert.deepEqual([...bench.feed.owned].toSorted((one, other) => one.localeCompare(other)), owners.toSorted((one, other) => one.localeCompare(other)))
      bench.push('a', 5)
      for (const id of ['a', 'b', 'c']) bench.feed.end(id)
      bench.prove(await ran)
      assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), upTo(45).map(n => [n, n + 1]))
    })
  }
}
