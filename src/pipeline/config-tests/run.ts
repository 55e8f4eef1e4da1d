/** Runs the config tests of a pipeline: its stages as they are, its sources and sinks in memory, on a clock of their own. */
import { runPipeline } from '../../engine/index.ts'
import type { PipelineConfig, Registry } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { seededRandom, systemClock } from '../../platform/index.ts'
import { withDeclarations } from '../extended-registry.ts'
import type { LoadResult } from '../load.ts'
import { stepsSource, takingSink } from '../memory-components.ts'
import { differences } from './compare.ts'
import type { Difference } from './compare.ts'
import type { PlacedTest } from './read.ts'
import { DEAD_LETTERS } from './read.ts'
import { inputOf } from './steps.ts'
import { TestClock } from './test-clock.ts'
import { runOn } from './virtual-time.ts'

export interface TestFailure extends Difference {
  /** Id of the sink, `dead_letters`, or undefined where the run itself failed. */
  readonly sink: string | undefined
}
export interface TestResult {
  readonly name: string
  readonly file: string
  readonly line: number
  readonly passed: boolean
  readonly failures: readonly TestFailure[]
  /** Real time. */
  readonly seconds: number
}

export interface TestOptions {
  /** Only tests whose name holds this. */
  readonly filter?: string
  readonly onResult?: (result: TestResult) => void
  /** Steps of the clock after which a test is given up; 100,000 by default. */
  readonly movesMax?: number
}

/** Runs the tests of a pipeline that was loaded without errors, one after the other. */
export async function runConfigTests(loaded: LoadResult, options: TestOptions = {}): Promise<readonly TestResult[]> {
  const { config, registry, tests } = loaded
  if (config === undefined) return []
  const results: TestResult[] = []
  for (const test of tests) {
    if (options.filter !== undefined && !test.name.includes(options.filter)) continue
    const start = systemClock.monotonic()
    const failures = await runTest(test, config, registry, options.movesMax)
    const result = { name: test.name, file: test.file, line: test.line, passed: failures.length === 0, failures, seconds: (systemClock.monotonic() - start) / 1000 }
    options.onResult?.(result)
    results.push(result)
  }
  return results
}

/** 2026-01-01, unless the test says otherwise. */
const START = Date.UTC(2026, 0, 1)

async function runTest(test: PlacedTest, config: PipelineConfig, base: Registry, movesMax: number | undefined): Promise<TestFailure[]> {
  const taken = new Map<string, JsonValue[]>()
  const take = (id: string, event: JsonValue): void => void (taken.get(id) ?? taken.set(id, []).get(id))?.push(event)
  const mocks = config.sources.map(source => {
    const { steps, format } = inputOf(eventsFor(source.id, test, config), source, config, base)
    return stepsSource(`mock:${source.id}`, steps, format)
  })
  const registry = withDeclarations(base, [...mocks, takingSink('mock', take)])
  const clock = new TestClock(test.now === undefined ? START : Date.parse(test.now))
  const stop = new AbortController()
  try {
    const running = runPipeline(mocked(config), registry, { clock, random: seededRandom(1), stopNow: stop.signal })
    await runOn(clock, running, () => stop.abort(), movesMax)
  } catch (error) {
    return [{ sink: undefined, message: error instanceof Error ? error.message : String(error) }]
  }
  // A test that says nothing of dead letters expects none.
  const expected = Object.entries({ [DEAD_LETTERS]: [], ...test.expect })
  return expected.flatMap(([sink, wanted]) => differences(wanted, taken.get(sink) ?? [], sink === DEAD_LETTERS).map(one => ({ sink, ...one })))
}

function eventsFor(source: string, test: PlacedTest, config: PipelineConfig): readonly unknown[] {
  const { input } = test
  if (Array.isArray(input)) return source === config.sources[0]?.id ? (input as readonly unknown[]) : [] // A list, as just asked.
  return (input as Readonly<Record<string, readonly unknown[]>>)[source] ?? [] // The other form that the layout allows.
}

/** The same pipeline with its ends in memory, on this thread, with nothing kept. */
function mocked(config: PipelineConfig): PipelineConfig {
  const once = { attempts: 1, backoff: 0, factor: 1, backoffMax: 0, deadline: 0, budget: 0 }
  const sink = { type: 'mock', config: {}, retry: once, breaker: undefined, rateLimit: undefined }
  return {
    ...config,
    sources: config.sources.map(({ id }) => ({ id, type: `mock:${id}`, config: {} })),
    sinks: config.sinks.map(({ id, from }) => ({ ...sink, id, from })),
    deadLetters: { ...sink, id: DEAD_LETTERS, from: [] },
    workers: 0,
    state: undefined,
  }
}

/** A result as people read it, with a line end. */
export function renderTestResult(result: TestResult): string {
  if (result.passed) return `ok      ${result.name}\n`
  const lines = [`failed  ${result.name}  (${result.file}:${result.line})`]
  for (const { sink, message, expected, got } of result.failures) {
    lines.push(`          ${sink === undefined ? message : `${sink}: ${message}`}`)
    if (expected !== undefined) lines.push(`            expected  ${short(expected)}`)
    if (got !== undefined) lines.push(`            got       ${short(got)}`)
  }
  return `${lines.join('\n')}\n`
}

function short(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 400 ? `${text.slice(0, 399)}…` : text
}
