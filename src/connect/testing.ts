/** What tests of connectors share: a context, and reading a source to its end. */
import { runPipeline } from '../engine/index.ts'
import type { ComponentContext, PipelineConfig, Registry, Report, RunOptions } from '../engine/index.ts'
import { codecs, sinks, sources } from './index.ts'

export function testContext(more: Partial<ComponentContext> = {}): ComponentContext {
  return {
    id: 'test', folder: '/', now: () => Date.now(), random: () => 0.5, sleep: () => Promise.resolve(), warn: () => undefined, signal: new AbortController().signal, ...more,
  }
}

const all = [...codecs, ...sources, ...sinks]
export const connectRegistry: Registry = {
  source: type => sources.find(one => one.type === type),
  stage: () => undefined,
  sink: type => sinks.find(one => one.type === type),
  codec: name => codecs.find(one => one.type === name),
  all: kind => all.filter(one => one.kind === kind),
}

const retry = { attempts: 3, backoff: 1, factor: 1, backoffMax: 1, deadline: 0, budget: 0 }

/** Runs a pipeline of one source and one sink in a folder. */
export function copy(
  folder: string,
  source: { readonly type: string; readonly config: unknown },
  sink: { readonly type: string; readonly config: unknown } = { type: 'file', config: { path: 'out.ndjson' } },
  more: Partial<PipelineConfig> & { readonly options?: RunOptions } = {},
): Promise<Report> {
  const { options, ...rest } = more
  const config: PipelineConfig = {
    name: 'copy', folder, sources: [{ id: 'in', ...source }], stages: [], sinks: [{ id: 'out', from: ['in'], retry, breaker: undefined, rateLimit: undefined, ...sink }],
    deadLetters: { id: 'dead_letters', from: [], type: 'file', config: { path: 'dead.ndjson' }, retry, breaker: undefined, rateLimit: undefined },
    workers: 0, memory: 1 << 24, state: undefined, checkpointInterval: 50, ordered: true, batch: { bytes: 65536, events: 65536, age: 10 }, stopTimeout: 5000, ...rest,
  }
  return runPipeline(config, connectRegistry, options)
}
