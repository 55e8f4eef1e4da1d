/** A pipeline that reads its dead letters again, instead of its sources. */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { SluiceError } from './base/index.ts'
import { DEAD_LETTER_INPUT, contextFor, prepareConfig } from './engine/index.ts'
import type { PipelineConfig, Registry, SinkConfig, SourceConfig } from './engine/index.ts'
import { firstLineNow, systemClock, systemRandom } from './platform/index.ts'

/**
 * The pipeline with its sources replaced by one that reads dead letters: they go where the first source's events went.
 *
 * What the outputs hold already is what the first run made of the good events. So files are added to here, never written anew, and a run that would write its
 * own dead letters to the file that it reads is refused.
 *
 * Where the pipeline has a state, this is a part of its life: the cuts hold how far the file was read, beside the positions of the sources, so that each letter is fed back once,
 * whatever ends that in the middle; and what is added to outputs stays when the sources are read on.
 */
export function fromDeadLetters(config: PipelineConfig, registry: Registry, path: string): PipelineConfig {
  const own = pathOf(config.deadLetters)
  if (own !== undefined && resolve(config.folder, own) === path) {
    throw new SluiceError('CONFIG_VALUE', `The dead letters of this run would go to ${path}, the file that it reads. Move that file first, and name it by its new path.`)
  }
  const replaced = new Set(config.sources.map(source => source.id))
  const source: SourceConfig = { id: idOf(path), type: 'file', config: { path, format: 'dead_letters', options: { formats: formatsOf(config, registry) } } }
  const redirect = (from: readonly string[]): readonly string[] => [...new Set(from.map(id => (replaced.has(id) ? source.id : id)))]
  return {
    ...config,
    sources: [source],
    stages: config.stages.map(stage => ({ ...stage, from: redirect(stage.from) })),
    sinks: config.sinks.map(sink => adding({ ...sink, from: redirect(sink.from) })),
    deadLetters: config.deadLetters === undefined ? undefined : adding(config.deadLetters),
  }
}

/** By its first letter, which holds the moment at which it was written: a file of the same name with others in it is another source. */
function idOf(path: string): string {
  return `${DEAD_LETTER_INPUT}_${createHash('sha256').update(firstLineNow(path)).digest('hex').slice(0, 12)}`
}

/** How the sources of a pipeline read, by their ids. What a source makes up by itself is JSON. */
function formatsOf(config: PipelineConfig, registry: Registry): Readonly<Record<string, { readonly format: string; readonly options: unknown }>> {
  const context = contextFor(config, systemClock, systemRandom, new AbortController().signal, () => undefined, registry.functions)
  return Object.fromEntries(config.sources.flatMap(({ id, type, config: own }) => {
    const declaration = registry.source(type)
    if (declaration === undefined) return []
    const { format, options } = declaration.create(prepareConfig(declaration.config, own, context(id)), context(id)).format
    const codec = registry.codec(format)
    return codec === undefined ? [] : [[id, { format, options: prepareConfig(codec.config, options, context(id)) }]]
  }))
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
