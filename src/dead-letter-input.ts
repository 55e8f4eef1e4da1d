/** A pipeline that reads its dead letters again, instead of its sources. */
import { resolve } from 'node:path'
import { SluiceError } from './base/index.ts'
import type { PipelineConfig, SinkConfig, SourceConfig } from './engine/index.ts'

/**
 * The pipeline with its sources replaced by one that reads dead letters: they go where the first source's events went.
 *
 * What the outputs hold already is what the first run made of the good events. So files are added to here, never written anew, and a run that would write its
 * own dead letters to the file that it reads is refused.
 */
export function fromDeadLetters(config: PipelineConfig, path: string): PipelineConfig {
  const own = pathOf(config.deadLetters)
  if (own !== undefined && resolve(config.folder, own) === path) {
    throw new SluiceError('CONFIG_VALUE', `The dead letters of this run would go to ${path}, the file that it reads. Move that file first, and name it by its new path.`)
  }
  const replaced = new Set(config.sources.map(source => source.id))
  const source: SourceConfig = { id: 'input_dead_letters', type: 'file', config: { path, format: 'dead_letters' } }
  const redirect = (from: readonly string[]): readonly string[] => [...new Set(from.map(id => (replaced.has(id) ? source.id : id)))]
  return {
    ...config,
    // Positions of the real sources must not be mixed up with those of this file.
    state: undefined,
    sources: [source],
    stages: config.stages.map(stage => ({ ...stage, from: redirect(stage.from) })),
    sinks: config.sinks.map(sink => adding({ ...sink, from: redirect(sink.from) })),
    deadLetters: config.deadLetters === undefined ? undefined : adding(config.deadLetters),
  }
}

function pathOf(sink: SinkConfig | undefined): string | undefined {
  const { path } = recordOf(sink?.config)
  return typeof path === 'string' ? path : undefined
}

/** A sink that would overwrite adds instead. */
function adding<S extends SinkConfig>(sink: S): S {
  const config = recordOf(sink.config)
  return config['mode'] === 'overwrite' ? { ...sink, config: { ...config, mode: 'append' } } : sink
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {} // An object has keys.
}
