/** What the engine promises, one test for each promise: take the guarding line away, and the test fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../platform/index.ts'
import type { SinkDeclaration, SourceDeclaration } from './component.ts'
import { runPipeline } from './run.ts'
import { Kept, memorySink, memorySource, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from './testing.ts'

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => JSON.stringify({ n }))

/** A memory sink whose writes wait until the test lets them go on. */
function gatedSink(kept: Kept): { sink: SinkDeclaration; open: () => void; waiting: () => number } {
  const plain = memorySink(kept)
  let gates: (() => void)[] = []
  let isOpen = false
  const sink: SinkDeclaration = {
    ...plain,
    create: (config, context) => {
      const made = plain.create(config, context)
      if (context.id === 'dead_letters') return made
      return {
        ...made,
        write: async (chunk, signal) => {
          if (!isOpen) await new Promise<void>(resolve => gates.push(resolve))
          return made.write(chunk, signal)
        },
      }
    },
  }
  return {
    sink,
    open: () => {
      isOpen = true
      for (const go of gates) go()
      gates = []
    },
    waiting: () => gates.length,
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('1: a position is committed only when all before it is durable at every sink or in the dead letters', async () => {
  const kept = new Kept()
  const lines = numbered(50).map((line, n) => (n % 9 === 4 ? '{broken' : line))
  const committed: number[] = []
  const source: SourceDeclaration = memorySource(lines, 3)
  const checked: SourceDeclaration = {
    ...source,
    acks: true,
    create: (config, context) => ({
      ...source.create(config, context),
      commit: position => {
        const upTo = Number(position)
        committed.push(upTo)
        const durable = ['out', 'second', 'dead_letters'].map(sink => Buffer.from((kept.chunks.get(sink) ?? new Uint8Array(0)).slice(0, kept.durable.get(sink) ?? 0)).toString())
        lines.slice(0, upTo).forEach((line, n) => {
          if (line === '{broken') return
          assert.ok(durable[0]?.includes(`{"n":${n}}`) === true && durable[1]?.includes(`{"n":${n}}`) === true, `line ${n} was committed before it was durable`)
        })
        const letters = durable[2]?.split('\n').filter(letter => letter !== '').length ?? 0
        assert.ok(letters >= lines.slice(0, upTo).filter(line => line === '{broken').length, 'a dead letter was not durable')
      },
    }),
  }
  await runPipeline(testPipeline([], [sinkConfig('out', 'in'), sinkConfig('second', 'in')]), testRegistry([checked, memorySink(kept)]))
  assert.equal(committed.at(-1), 50)
  assert.ok(committed.length > 1)
})

test('2: in and created equal out, filtered, dead-lettered and in flight, also when the run is cut off', async () => {
  const kept = new Kept()
  const { sink, waiting } = gatedSink(kept)
  const stop = new AbortController()
  const running = runPipeline(testPipeline([], [sinkConfig('out', 'in')]), testRegistry([memorySource(numbered(30), 10), sink]), { stopNow: stop.signal })
  while (waiting() === 0) await turn()
  for (let n = 0; n < 20; n++) await turn()
  stop.abort()
  const { events_in, created, events_out, filtered, dead_lettered, in_flight, stopped_by } = await running
  assert.equal(stopped_by, 'signal')
  assert.equal(events_in + created, (events_out['out'] ?? 0) + filtered + dead_lettered + in_flight)
  assert.ok(in_flight > 0)
})

test('3: a slow sink holds the source, and no more than the memory is under way', async () => {
  const kept = new Kept()
  const { sink, open, waiting } = gatedSink(kept)
  const memory = 1000
  let read = 0
  const source = memorySource(numbered(5000), 10)
  const counting: SourceDeclaration = {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      return {
        ...made,
        next: async (bytes, signal) => {
          const piece = await made.next(bytes, signal)
          read += piece?.bytes ?? 0
          return piece
        },
      }
    },
  }
  const running = runPipeline(testPipeline([], [sinkConfig('out', 'in')], { memory }), testRegistry([counting, sink]))
  while (waiting() === 0) await turn()
  for (let n = 0; n < 200; n++) await turn()
  assert.ok(read <= memory + 200, `${read} bytes were read while nothing was written`)
  open()
  const { events_out } = await running
  assert.equal(events_out['out'], 5000)
  assert.deepEqual(kept.lines('out'), numbered(5000))
})

test('3: what stages make of a batch counts against the memory', async () => {
  const kept = new Kept()
  const { sink, open, waiting } = gatedSink(kept)
  let read = 0
  const grow = testStage('grow', () => ({
    process: (events, out) => {
      for (const event of events) {
        event.replace({ ...objectOf(event), text: 'x'.repeat(1000) })
        out.emit(event)
      }
    },
  }))
  const source = memorySource(numbered(200), () => {
    read++
    return 1
  })
  const running = runPipeline(testPipeline([stageConfig('grow', 'grow', 'in')], [sinkConfig('out', 'grow')], { memory: 4000 }), testRegistry([source, sink, grow]))
  while (waiting() === 0) await turn()
  for (let n = 0; n < 200; n++) await turn()
  // Three pieces may wait at the worker before the first is known to have grown.
  assert.ok(read <= 8, `${read} events of 1000 bytes are under way in a memory of 4000`)
  open()
  assert.equal((await running).events_out['out'], 200)
})

test('4: without order, everything still arrives once', async () => {
  const kept = new Kept()
  const odd = testStage('odd_later', () => ({
    process: async (events, out) => {
      for (const event of events) {
        if (Number(objectOf(event)['n']) % 3 === 0) await turn()
        out.emit(event)
      }
    },
  }))
  const config = testPipeline([stageConfig('odd', 'odd_later', 'in')], [sinkConfig('out', 'odd')], { ordered: false })
  await runPipeline(config, testRegistry([memorySource(numbered(200), 1), memorySink(kept), odd]))
  assert.deepEqual(new Set(kept.lines('out')), new Set(numbered(200)))
  assert.equal(kept.lines('out').length, 200)
  assert.notDeepEqual(kept.lines('out'), numbered(200))
})

test('4: order is kept although some batches take longer', async () => {
  const kept = new Kept()
  const slow = testStage('some_wait', () => ({
    process: async (events, out) => {
      for (const event of events) {
        if (Number(objectOf(event)['n']) % 7 === 0) await turn()
        out.emit(event)
      }
    },
  }))
  await runPipeline(testPipeline([stageConfig('slow', 'some_wait', 'in')], [sinkConfig('out', 'slow')]), testRegistry([memorySource(numbered(200), 1), memorySink(kept), slow]))
  assert.deepEqual(kept.lines('out'), numbered(200))
})

test('7: a drain that does not end is ended by its deadline', async () => {
  const kept = new Kept()
  const { sink, waiting } = gatedSink(kept)
  const clock = new SimulatedClock()
  const stop = new AbortController()
  const running = runPipeline(testPipeline([], [sinkConfig('out', 'in')], { stopTimeout: 30_000 }), testRegistry([memorySource(numbered(30), 10), sink]), { signal: stop.signal, clock })
  while (waiting() === 0) await turn()
  stop.abort()
  await clock.advance(29_000)
  let ended = false
  void running.finally(() => (ended = true))
  await turn()
  assert.equal(ended, false)
  await clock.advance(2000)
  assert.equal((await running).stopped_by, 'signal')
})

test('a stage that waits is called so many times at once as it says, and the order stays', async () => {
  const kept = new Kept()
  let under = 0
  let most = 0
  const waits = testStage('waits', () => ({
    process: async (events, out) => {
      under++
      most = Math.max(most, under)
      await turn()
      if (Number(objectOf(events[0] as never)['n']) % 2 === 0) await turn()
      under--
      for (const event of events) out.emit(event)
    },
  }), 'none', true)
  await runPipeline(testPipeline([stageConfig('w', 'waits', 'in', { concurrency: 4 })], [sinkConfig('out', 'w')]), testRegistry([memorySource(numbered(60), 60), memorySink(kept), waits]))
  assert.equal(most, 4)
  assert.deepEqual(kept.lines('out'), numbered(60))
})

test('what on_error says happens to what a stage rejects', async () => {
  const picky = testStage('picky', () => ({ process: (events, out) => events.forEach(event => (Number(objectOf(event)['n']) % 2 === 0 ? out.emit(event) : out.reject(event, new Error('odd')))) }))
  const run = async (onError: 'dead_letter' | 'drop' | 'pass' | 'stop') => {
    const kept = new Kept()
    const report = await runPipeline(testPipeline([stageConfig('p', 'picky', 'in', { onError })], [sinkConfig('out', 'p')]), testRegistry([memorySource(numbered(10), 3), memorySink(kept), picky]))
    return [kept.lines('out').length, kept.lines('dead_letters').length, report.filtered]
  }
  assert.deepEqual(await run('dead_letter'), [5, 5, 0])
  assert.deepEqual(await run('drop'), [5, 0, 5])
  assert.deepEqual(await run('pass'), [10, 0, 0])
  await assert.rejects(run('stop'), { code: 'STAGE_STOPPED' })
})

test('a source may use its array again as soon as it is asked for more', async () => {
  const kept = new Kept()
  const source = memorySource(numbered(90), 9)
  const shared = new Uint8Array(4096)
  const thrifty: SourceDeclaration = {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      return {
        ...made,
        next: async (bytes, signal) => {
          const piece = await made.next(bytes, signal)
          shared.fill(32)
          if (piece?.data === undefined) return piece
          shared.set(piece.data)
          return { ...piece, data: shared.subarray(0, piece.data.length) }
        },
      }
    },
  }
  await runPipeline(testPipeline([], [sinkConfig('out', 'in')]), testRegistry([thrifty, memorySink(kept)]))
  assert.deepEqual(kept.lines('out'), numbered(90))
})

test('two stages behind one get events of their own, and what both feed gets them in the order of the source', async () => {
  const mark = (name: string) => testStage(name, () => ({
    process: (events, out) => {
      for (const event of events) {
        event.replace({ ...objectOf(event), [name]: true })
        out.emit(event)
      }
    },
  }))
  const stages = [stageConfig('a', 'a', 'in'), stageConfig('b', 'b', 'in'), stageConfig('both', 'both', ['a', 'b'])]
  const kept = new Kept()
  const all = [mark('a'), mark('b'), mark('both')]
  await runPipeline(testPipeline(stages, [sinkConfig('out', 'both')]), testRegistry([memorySource(numbered(40), 40), memorySink(kept), ...all]))
  assert.deepEqual(kept.lines('out'), numbered(40).flatMap(line => ['a', 'b'].map(name => line.replace('}', `,"${name}":true,"both":true}`))))
})

test('behind partition_by a batch waits for the one before it, though a stage waits for the outside', async () => {
  const kept = new Kept()
  const first = testStage('first_waits', () => ({
    process: async (events, out) => {
      if (Number(objectOf(events[0] as never)['n']) % 20 < 10) for (let n = 0; n < 4; n++) await turn()
      for (const event of events) out.emit(event)
    },
  }), 'none', true)
  const running = testStage('running', context => {
    const table = context.state.table<number>('seen', { keysMax: 1000 })
    return {
      process: (events, out) => {
        for (const event of events) {
          table.set('all', (table.get('all') ?? 0) + 1)
          event.replace({ ...objectOf(event), seen: table.get('all') ?? 0 })
          out.emit(event)
        }
      },
    }
  }, 'keyed')
  const stages = [stageConfig('by', 'partition_by', 'in', { config: { key: 'event.n % 2' } }), stageConfig('w', 'first_waits', 'by'), stageConfig('r', 'running', 'w')]
  await runPipeline(testPipeline(stages, [sinkConfig('out', 'r')]), testRegistry([memorySource(numbered(100), 10), memorySink(kept), first, running]))
  assert.deepEqual(kept.lines('out'), Array.from({ length: 100 }, (_, n) => JSON.stringify({ n, seen: Math.floor(n / 2) + 1 })))
})
