import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../base/index.ts'
import { bottleneckOf } from '../observe/index.ts'
import type { Figures } from '../observe/index.ts'
import type { PipelineConfig } from './config.ts'
import { RunControl } from './reload.ts'
import { runPipeline } from './run.ts'
import { Kept, ONE_TRY, memorySink, memorySource, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from './testing.ts'
import type { SinkDeclaration, SourceDeclaration, StageDeclaration } from './component.ts'

const LINES = Array.from({ length: 600 }, (_, n) => JSON.stringify({ n }))

function spin(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const stage = (id: string, ms: number): StageDeclaration => testStage(id, () => ({
  process: (events, out) => {
    spin(ms)
    for (const event of events) out.emit(event)
  },
}))

const waiting = (id: string, ms: number): StageDeclaration => testStage(id, () => ({
  process: async (events, out) => {
    await sleep(ms)
    for (const event of events) out.emit(event)
  },
}), 'none', true)

function slowSink(kept: Kept, ms: number): SinkDeclaration {
  const plain = memorySink(kept)
  return { ...plain, create: (config, context) => {
    const sink = plain.create(config, context)
    return { ...sink, write: async (chunk, signal) => {
      await sleep(ms)
      return sink.write(chunk, signal)
    } }
  } }
}

function slowSource(ms: number): SourceDeclaration {
  const plain = memorySource(LINES, 10)
  return { ...plain, create: (config, context) => {
    const source = plain.create(config, context)
    return { ...source, next: async (bytes, signal) => {
      await sleep(ms)
      return source.next(bytes, signal)
    } }
  } }
}

interface Slow {
  readonly source?: number
  readonly first?: number
  readonly second?: number
  readonly wait?: number
  readonly sink?: number
}

/** Runs a pipeline some of whose parts are slow; answers its last figures. */
async function figuresOf({ source = 0, first = 0, second = 0, wait, sink = 0 }: Slow): Promise<Figures> {
  const kept = new Kept()
  const control = new RunControl()
  let figures: Figures | undefined
  const later = wait === undefined ? stage('second', second) : waiting('second', wait)
  const registry = testRegistry([source > 0 ? slowSource(source) : memorySource(LINES, 10), stage('first', first), later, sink > 0 ? slowSink(kept, sink) : memorySink(kept)])
  const config: PipelineConfig = testPipeline([stageConfig('first', 'first', 'in'), stageConfig('second', 'second', 'first')], [sinkConfig('out', 'second')])
  const report = await runPipeline(config, registry, { control, onProgress: () => (figures = control.figures), progressInterval: 5 })
  assert.equal(report.events_out['out'], 600)
  assert.match(report.bottleneck ?? '', /^bottleneck: /)
  return control.figures ?? figures ?? assert.fail('nobody looked')
}

test('the part that is slow is the bottleneck, whichever it is', async () => {
  const found = async (slow: Slow): Promise<string> => {
    const bottleneck = bottleneckOf(await figuresOf(slow))
    return `${bottleneck?.kind} ${bottleneck?.id}`
  }
  assert.equal(await found({ source: 5 }), 'source in')
  assert.equal(await found({ first: 5 }), 'stage first')
  assert.equal(await found({ second: 5 }), 'stage second')
  assert.equal(await found({ wait: 5 }), 'stage second')
  assert.equal(await found({ sink: 5 }), 'sink out')
})

test('a rate limit of a sink, and of a stage that waits, is named as what holds it back', async () => {
  const limit = { rateLimit: { events: 20, bytes: undefined, per: 10 } }
  const asking = testStage('asking', () => ({ process: (events, out) => Promise.resolve(events.forEach(event => out.emit(event))) }), 'none', true)
  const sentence = async (config: PipelineConfig): Promise<string> => (await runPipeline(config, testRegistry([memorySource(LINES, 10), asking, memorySink(new Kept())]))).bottleneck ?? ''
  assert.match(await sentence(testPipeline([], [sinkConfig('out', 'in', limit)])), /^bottleneck: sink "out" \(under way \d+ %; its rate limit holds it back\)/)
  assert.match(await sentence(testPipeline([stageConfig('asking', 'asking', 'in', limit)], [sinkConfig('out', 'asking')])), /^bottleneck: stage "asking" \(waited for \d+ % of the time; its rate limit holds it back\)/)
})

test('of a batch that waits for long, the time is told while it waits', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const asking = testStage('asking', () => ({
    process: async (events, out) => {
      await answered
      for (const event of events) out.emit(event)
    },
  }), 'none', true)
  const control = new RunControl()
  const ran = runPipeline(testPipeline([stageConfig('asking', 'asking', 'in')], [sinkConfig('out', 'asking')]), testRegistry([memorySource(LINES.slice(0, 10), 10), asking, memorySink(new Kept())]), { control })
  const seen = (): number => control.figures?.stages[0]?.busy_seconds ?? 0
  while (seen() < 0.9) await sleep(10)
  answer()
  await ran
})

test('each stage tells what it left out, how often it had to ask again, and each batch that waited in it, also where several do at once', async () => {
  const kept = new Kept()
  const tries = new Map<string, number>()
  const odd = testStage('odd', () => ({
    process: (events, out) => {
      for (const event of events) if (Number(objectOf(event)['n']) % 2 === 1) out.emit(event)
      else out.drop(event)
    },
  }))
  const asking = testStage('asking', () => ({
    process: async ([event], out) => {
      if (event === undefined) return
      const known = tries.get(event.text) ?? 0
      tries.set(event.text, known + 1)
      await sleep(1)
      if (known === 0 && Number(objectOf(event)['n']) < 11) out.reject(event, new SluiceError('HTTP_STATUS', 'Not now.', { retry: true }))
      else out.emit(event)
    },
  }), 'none', true)
  const config = testPipeline([stageConfig('odd', 'odd', 'in'), stageConfig('asking', 'asking', 'odd', { concurrency: 5, retry: { ...ONE_TRY, attempts: 3 } })], [sinkConfig('out', 'asking')])
  const control = new RunControl()
  const looking: (Figures | undefined)[] = []
  const report = await runPipeline(config, testRegistry([memorySource(LINES, 10), odd, asking, memorySink(kept)]), { control, onProgress: () => looking.push(control.figures), progressInterval: 5 })
  const [first, second] = (control.figures ?? looking.at(-1) ?? assert.fail('nobody looked')).stages
  assert.deepEqual([report.stages['odd']?.events, report.stages['odd']?.filtered, report.stages['asking']?.events, report.stages['asking']?.filtered], [600, 300, 300, 0])
  assert.deepEqual([first?.latency.count, second?.latency.count, second?.retries], [60, 60, 5])
  assert.ok((report.stages['asking']?.p50_seconds ?? 0) >= 0.0005 && (report.stages['odd']?.p50_seconds ?? 1) < 0.001)
})

test('the breaker of a stage is known, from what its worker says of it', async () => {
  let calls = 0
  const away = testStage('away', () => ({
    process: async ([event], out) => {
      if (event === undefined) return
      if (++calls <= 2) out.reject(event, new SluiceError('HTTP_STATUS', 'Not now.', { retry: true }))
      else out.emit(event)
      await sleep(0)
    },
  }), 'none', true)
  const seen = new Set<string | undefined>()
  const control = new RunControl()
  const policy = { retry: { ...ONE_TRY, attempts: 5 }, breaker: { failures: 2, cooldown: 20, successes: 1 } }
  const config = testPipeline([stageConfig('away', 'away', 'in', policy)], [sinkConfig('out', 'away')])
  await runPipeline(config, testRegistry([memorySource(LINES, 100), away, memorySink(new Kept())]), { control, onNotice: () => seen.add(control.figures?.stages[0]?.breaker) })
  assert.deepEqual([seen.has('open'), seen.has('half-open'), control.figures?.stages[0]?.breaker], [true, true, 'closed'])
})

test('what is end to end begins where the source says that events were taken in, else with their reading', async () => {
  const endToEnd = async (ago: number | undefined): Promise<Figures['end_to_end']> => {
    const control = new RunControl()
    const plain = memorySource(LINES, 100)
    const source: SourceDeclaration = { ...plain, create: (config, context) => {
      const made = plain.create(config, context)
      return { ...made, next: async (bytes, signal) => {
        const piece = await made.next(bytes, signal)
        return piece === undefined || ago === undefined ? piece : { ...piece, ingested: context.now() - ago }
      } }
    } }
    await runPipeline(testPipeline([], [sinkConfig('out', 'in')]), testRegistry([source, memorySink(new Kept())]), { control })
    return (control.figures ?? assert.fail('no figures')).end_to_end
  }
  const old = await endToEnd(3_000_000)
  assert.deepEqual([old.count, old.counts[old.bounds.indexOf(1800)], old.counts[old.bounds.indexOf(3600)]], [6, 0, 6])
  assert.ok((await endToEnd(undefined)).sum < 60)
})

test('events, errors and times are counted where they belong, and a worker\'s time adds up', async () => {
  const { sources, stages, sinks, workers, seconds, latency, events_in } = await figuresOf({ first: 1, sink: 1 })
  assert.equal(events_in, 600)
  assert.deepEqual(sources.map(({ id, events }) => [id, events]), [['in', 600]])
  assert.deepEqual(stages.map(({ id, events }) => [id, events]), [['first', 600], ['second', 600]])
  assert.deepEqual(sinks.map(({ id, events }) => [id, events]), [['out', 600], ['dead_letters', 0]])
  assert.ok((stages[0]?.busy_seconds ?? 0) >= 0.055, 'sixty batches, a millisecond each')
  assert.ok((stages[1]?.busy_seconds ?? 1) < (stages[0]?.busy_seconds ?? 0))
  assert.deepEqual(stages.map(stage => stage.latency.count), [60, 60], 'a value for each batch')
  assert.ok((stages[0]?.latency.p50 ?? 0) >= 0.0005 && (stages[1]?.latency.p50 ?? 1) < 0.001)
  assert.ok(sinks[0]?.latency.count === 60 && sinks[0].backlog_bytes === 0)
  assert.equal(latency.count, 60)
  assert.ok(latency.sum > 0.06 && latency.counts.at(-1) === 60)
  for (const { busy_seconds, held_seconds, idle_seconds } of workers) {
    const sum = busy_seconds + held_seconds + idle_seconds
    assert.ok(sum <= seconds && sum > seconds / 2, `${sum} of ${seconds}`)
  }
})
