/**
 * Crashes in the middle of a run, many of them: what lies on disk at a write is put aside as a killed process would leave it, and a run that starts from there must
 * end with what a run has that was left alone. Sinks are slow by chance and refuse rows late, so that cuts, batches and dead letters overlap in many ways.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SinkDeclaration, SourceDeclaration, StageDeclaration } from '../../src/engine/component.ts'
import type { PipelineConfig } from '../../src/engine/config.ts'
import { runPipeline } from '../../src/engine/run.ts'
import { Kept, memorySink, memorySource, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from '../../src/engine/testing.ts'
import { Event } from '../../src/event/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { seededRandom } from '../../src/platform/index.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cuts-'))
})
after(() => rmSync(folder, { recursive: true }))

const LINES = Array.from({ length: 240 }, (_, n) => (n % 41 === 7 ? `{"n":${n}` : JSON.stringify({ n, k: `k${n % 7}` })))
const SECOND = Array.from({ length: 60 }, (_, n) => JSON.stringify({ n: 1000 + n, k: `k${n % 5}` }))

/** Adds how many events of its key came before. */
const count = testStage('count', context => {
  const table = context.state.table<number>('seen', { keysMax: 5000 })
  return {
    process: (events, out) => {
      for (const event of events) {
        const value = objectOf(event)
        const seen = (table.get(String(value['k'])) ?? 0) + 1
        table.set(String(value['k']), seen)
        event.replace({ ...value, seen })
        out.emit(event)
      }
    },
  }
}, 'keyed')

/** Answers some events later than others. */
const wander = (random: () => number): StageDeclaration =>
  testStage('wander', () => ({
    process: async (events, out) => {
      if (random() < 0.5) await turns(1 + Math.floor(random() * 3))
      for (const event of events) out.emit(event)
    },
  }), 'none', true)

async function turns(many: number): Promise<void> {
  for (let n = 0; n < many; n++) await new Promise(resolve => setImmediate(resolve))
}

/** A sink that is slow by chance and refuses every tenth event, after a while. `onWrite` is told before each write. */
function slowSink(kept: Kept, random: () => number, onWrite: () => void): SinkDeclaration {
  const plain = memorySink(kept)
  return {
    ...plain,
    encoding: (_config, context) => ({ format: 'ndjson', options: {}, rows: context.id === 'picky' }),
    create: (config, context) => {
      const made = plain.create(config, context)
      return {
        ...made,
        write: async (chunk, signal) => {
          onWrite()
          await turns(Math.floor(random() * 3))
          if (context.id !== 'picky') return made.write(chunk, signal)
          const refused: number[] = []
          const rows = Buffer.from(chunk.bytes).toString().split('\n').slice(0, -1)
          const taken = rows.filter((line, row) => {
            const refuse = (JSON.parse(line) as { n: number }).n % 10 === 3
            if (refuse) refused.push(row)
            return !refuse
          })
          await made.write({ ...chunk, bytes: Buffer.from(taken.map(line => `${line}\n`).join('')), rows: taken.length }, signal)
          await turns(Math.floor(random() * 6))
          return refused.map(row => ({ row, answer: 'reject' as const, reason: 'not this one' }))
        },
        flush: async () => {
          await turns(Math.floor(random() * 3))
          return made.flush()
        },
      }
    },
  }
}

/** Waits until the condition holds, or for so long that it never will. */
async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; n < 50_000 && !condition(); n++) await turns(1)
}

/** The source, which after every few batches waits for a cut. */
function cutOften(source: SourceDeclaration): SourceDeclaration {
  return {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      let pieces = 0
      let cuts = 0
      return {
        ...made,
        next: async (bytes, signal) => {
          const due = Math.floor(pieces++ / 5)
          await until(() => cuts >= due)
          return made.next(bytes, signal)
        },
        commit: () => void cuts++,
      }
    },
  }
}

interface Left {
  readonly log: Buffer
  readonly kept: Kept
}

/** What a kill leaves at this moment; a power cut leaves only what was flushed. */
function leave(state: string, kept: Kept, power: boolean): Left {
  const copy = new Kept()
  for (const [sink, bytes] of kept.chunks) copy.chunks.set(sink, bytes.slice())
  for (const [sink, length] of kept.durable) copy.durable.set(sink, length)
  if (power) copy.crash()
  const log = join(state, 'checkpoints.log')
  return { log: existsSync(log) ? readFileSync(log) : Buffer.alloc(0), kept: copy }
}

let runs = 0

/** Runs a pipeline from what was left; answers what lay there at every so many writes. */
async function runFrom(left: Left, pipeline: Partial<PipelineConfig>, seed: number, every: number): Promise<Left[]> {
  const random = seededRandom(seed)
  const state = join(folder, String(runs++))
  mkdirSync(state)
  if (left.log.length > 0) writeFileSync(join(state, 'checkpoints.log'), left.log)
  const moments: Left[] = []
  let writes = 0
  const sink = slowSink(left.kept, random, () => {
    if (++writes % every === 0) moments.push(leave(state, left.kept, moments.length % 2 === 1))
  })
  const piece = (): number => 1 + Math.floor(random() * 9)
  const first = every < 10 ? cutOften(memorySource(LINES, piece)) : memorySource(LINES, piece)
  const second: SourceDeclaration = { ...memorySource(SECOND, piece), type: 'second' }
  const config = testPipeline([], [], { state, checkpointInterval: 1, ...pipeline })
  const report = await runPipeline(config, testRegistry([first, second, sink, count, wander(random)]))
  assert.equal(report.in_flight, 0)
  return moments
}

/** The results, in a form that can be compared: dead letters without their moment and in any order, because two sinks refuse at their own pace. */
function results(kept: Kept, ordered: boolean): unknown {
  const letters = kept.lines('dead_letters').map(line => (JSON.parse(line) as { original: string }).original).sort()
  const outs = ['out', 'picky'].map(sink => (ordered ? kept.lines(sink) : kept.lines(sink).toSorted()))
  return { outs, letters }
}

const shapes: readonly (readonly [string, Partial<PipelineConfig>])[] = [
  ['one level', { stages: [stageConfig('w', 'wander', 'in', { concurrency: 2 })], sinks: [sinkConfig('out', 'w'), sinkConfig('picky', 'in')] }],
  ['one level without order', { ordered: false, stages: [stageConfig('w', 'wander', 'in', { concurrency: 2 })], sinks: [sinkConfig('out', 'w'), sinkConfig('picky', 'w')] }],
  ['a stage with memory', { stages: [stageConfig('count', 'count', 'in')], sinks: [sinkConfig('out', 'count'), sinkConfig('picky', 'in')] }],
  [
    'an exchange by key and two sources',
    {
      sources: [{ id: 'in', type: 'memory', config: {} }, { id: 'too', type: 'second', config: {} }],
      stages: [stageConfig('by', 'partition_by', ['in', 'too'], { config: { key: 'event.k' } }), stageConfig('count', 'count', 'by'), stageConfig('again', 'partition_by', 'count', { config: { key: 'event.n % 3' } }), stageConfig('all', 'count', 'again')],
      sinks: [sinkConfig('out', 'all'), sinkConfig('picky', 'count')],
    },
  ],
]

for (const [name, pipeline] of shapes) {
  test(`a run that was cut off at any write goes on to the same end: ${name}`, async () => {
    const nothing = (): Left => ({ log: Buffer.alloc(0), kept: new Kept() })
    const whole = nothing()
    const moments = await runFrom(whole, pipeline, 1, 3)
    const expected = results(whole.kept, pipeline.ordered !== false)
    assert.ok(moments.length > 20)
    assert.ok(moments.filter(({ log }) => log.includes('"positions":{"in":')).length > 10, 'most crashes find a cut')
    let seed = 2
    for (const moment of moments) {
      // A run from a crash crashes again, once; only then it is left alone.
      const again = (await runFrom(moment, pipeline, seed++, 11))[0]
      assert.deepEqual(results(moment.kept, pipeline.ordered !== false), expected)
      if (again === undefined || seed % 3 !== 0) continue
      await runFrom(again, pipeline, seed++, 1000)
      assert.deepEqual(results(again.kept, pipeline.ordered !== false), expected)
    }
  })
}

test('a source is told of a cut only when it is on disk', async () => {
  const state = join(folder, 'told')
  const log = join(state, 'checkpoints.log')
  const source = memorySource(LINES, 5)
  const told: number[] = []
  const early: unknown[] = []
  const checked: SourceDeclaration = {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      let pieces = 0
      return {
        ...made,
        // Several cuts on the way.
        next: async (bytes, signal) => {
          const due = Math.floor(pieces++ / 4)
          await until(() => told.length >= due)
          return made.next(bytes, signal)
        },
        commit: position => {
          if (!readFileSync(log).includes(`"positions":{"in":${JSON.stringify(position)}}`)) early.push(position)
          told.push(Number(position))
        },
      }
    },
  }
  await runPipeline(testPipeline([], [sinkConfig('out', 'in')], { state, checkpointInterval: 1 }), testRegistry([checked, memorySink(new Kept())]))
  assert.equal(told.at(-1), LINES.length)
  assert.deepEqual(early, [], 'positions that were told before their cut was in the log')
})

test('a run that ended well leaves a cut behind its last batch', async () => {
  const state = join(folder, 'ended')
  const read: number[] = []
  const source = memorySource(LINES, 5)
  const noted: SourceDeclaration = {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      return {
        ...made,
        open: position => {
          read.push(Number(position ?? 0))
          return made.open(position)
        },
      }
    },
  }
  const kept = new Kept()
  const config = testPipeline([], [sinkConfig('out', 'in')], { state, checkpointInterval: 3_600_000 })
  for (let run = 0; run < 2; run++) await runPipeline(config, testRegistry([noted, memorySink(kept)]))
  // The reading half and the decoding half of a source are made from one declaration: only the first is opened.
  assert.deepEqual(read, [0, LINES.length])
  assert.equal(kept.lines('out').length, LINES.filter(line => line.endsWith('}')).length)
})

test('the cut at the end waits for the one that is under way', async () => {
  const state = join(folder, 'overlap')
  const ended = Promise.withResolvers<void>()
  const flushing = Promise.withResolvers<void>()
  const positions: unknown[] = []
  // No dead letters, which would wait for the cut; few enough batches that all of them may be under way at once.
  const lines = LINES.filter(line => line.endsWith('}'))
  const source = memorySource(lines, 20)
  const ending: SourceDeclaration = {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      return {
        ...made,
        open: position => {
          positions.push(position)
          return made.open(position)
        },
        next: async (bytes, signal) => {
          const piece = await made.next(bytes, signal)
          if (piece === undefined) ended.resolve()
          else if (piece.position !== 20) await flushing.promise
          return piece
        },
      }
    },
  }
  const kept = new Kept()
  const plain = memorySink(kept)
  let flushes = 0
  const slow: SinkDeclaration = {
    ...plain,
    create: (config, context) => {
      const made = plain.create(config, context)
      return {
        ...made,
        // The first cut stands behind the first batch and is under way until long after the last has landed; dead letters hold no batch up. The second begins when the first is on disk.
        flush: async () => {
          // The very first flush tells where the sink begins.
          if (context.id !== 'dead_letters' || flushes++ % 3 === 0) return made.flush()
          if (flushes > 2) assert.ok(readFileSync(join(state, 'checkpoints.log')).includes('"positions":{"in":'), 'two cuts at once')
          flushing.resolve()
          await ended.promise
          await until(() => kept.lines('out').length === lines.length)
          await turns(50)
          return made.flush()
        },
      }
    },
  }
  const config = testPipeline([], [sinkConfig('out', 'in')], { state, checkpointInterval: 1 })
  for (let run = 0; run < 2; run++) await runPipeline(config, testRegistry([ending, slow]))
  assert.deepEqual(positions, [undefined, lines.length])
})

test('dead letters of batches behind a cut are not part of it', async () => {
  const state = join(folder, 'letters')
  const kept = new Kept()
  const moments: Left[] = []
  const source = memorySource(LINES, 5)
  let flushes = 0
  // Reads some batches, waits for a cut to be under way, and reads on while it is.
  const paced = (onCommit: () => void): SourceDeclaration => ({
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      let pieces = 0
      return {
        ...made,
        next: async (bytes, signal) => {
          const due = Math.floor(pieces++ / 8)
          await until(() => flushes >= due)
          return made.next(bytes, signal)
        },
        commit: onCommit,
      }
    },
  })
  // One sink takes long to make its bytes durable; meanwhile the other refuses what comes behind the cut.
  const sink = (into: Kept): SinkDeclaration => {
    const plain = memorySink(into)
    return {
      ...plain,
      encoding: (_config, context) => ({ format: 'ndjson', options: {}, rows: context.id === 'picky' }),
      create: (config, context) => {
        const made = plain.create(config, context)
        if (context.id === 'dead_letters') return made
        return {
          ...made,
          write: (chunk, signal) => (context.id === 'out' ? made.write(chunk, signal) : Promise.resolve(Array.from({ length: chunk.rows }, (_, row) => ({ row, answer: 'reject' as const, reason: 'no' })))),
          flush: async () => {
            if (context.id === 'out') flushes++
            if (context.id === 'out') await turns(30)
            return made.flush()
          },
        }
      },
    }
  }
  const config = testPipeline([], [sinkConfig('out', 'in'), sinkConfig('picky', 'in')], { state, checkpointInterval: 1 })
  await runPipeline(config, testRegistry([paced(() => moments.push(leave(state, kept, true))), sink(kept)]))
  const expected = results(kept, true)
  assert.ok(moments.length > 2)
  for (const moment of moments) {
    const again = join(folder, String(runs++))
    mkdirSync(again)
    writeFileSync(join(again, 'checkpoints.log'), moment.log)
    await runPipeline({ ...config, state: again }, testRegistry([memorySource(LINES, 9), sink(moment.kept)]))
    assert.deepEqual(results(moment.kept, true), expected)
  }
})

test('a run that was stopped and goes on hands out what its stages held back once, at the end', async () => {
  const state = join(folder, 'stopped')
  const sum = testStage('sum', context => {
    const table = context.state.table<number>('sum', { keysMax: 5000 })
    return {
      process: (events, out) => {
        for (const event of events) {
          table.set('all', (table.get('all') ?? 0) + Number(objectOf(event)['n']))
          out.absorb(event)
        }
      },
      finish: out => {
        for (const [, total] of table.entries()) out.produce(made({ total }))
      },
    }
  }, 'keyed')
  const kept = new Kept()
  const stop = new AbortController()
  let pieces = 0
  const source = memorySource(LINES, () => {
    if (++pieces === 10) stop.abort()
    return 5
  })
  const config = testPipeline([stageConfig('sum', 'sum', 'in')], [sinkConfig('out', 'sum')], { state })
  const first = await runPipeline(config, testRegistry([source, memorySink(kept), sum]), { signal: stop.signal })
  assert.equal(first.stopped_by, 'signal')
  assert.deepEqual(kept.lines('out'), [])
  await runPipeline(config, testRegistry([memorySource(LINES, 7), memorySink(kept), sum]))
  const total = LINES.reduce((all, line, n) => all + (line.endsWith('}') ? n : 0), 0)
  assert.deepEqual(kept.lines('out'), [JSON.stringify({ total })])
})

/** An event that a stage makes out of nothing. */
function made(value: JsonValue): Event {
  return new Event({ source: 'sum', bytes: new Uint8Array(0), locate: () => null }, 0, 0, undefined, value)
}
