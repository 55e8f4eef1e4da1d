/** Makes what a source hands out of the input of a config test. */
import { parseDuration } from '../../base/index.ts'
import { prepareConfig } from '../../engine/index.ts'
import type { ComponentContext, FormatChoice, Framer, PipelineConfig, Registry, SourceConfig } from '../../engine/index.ts'
import { MEMORY_FORMAT } from '../memory-components.ts'
import type { Step } from '../memory-components.ts'
import { STEP_KEYS } from './layout.ts'

export interface Input {
  readonly format: FormatChoice
  readonly steps: readonly Step[]
}

type Marked = Readonly<Record<string, unknown>>

function isMarked(event: unknown): event is Marked {
  return typeof event === 'object' && event !== null && !Array.isArray(event) && Object.keys(event).some(key => STEP_KEYS.includes(key))
}

/** Events go in as JSON, whatever the source's format; with `$text`, all goes through the source's own format. */
export function inputOf(events: readonly unknown[], source: SourceConfig, pipeline: PipelineConfig, registry: Registry): Input {
  const raw = events.some(event => isMarked(event) && event['$text'] !== undefined)
  const framed = raw ? ownFormat(source, pipeline, registry) : undefined
  if (framed === undefined) return { format: MEMORY_FORMAT, steps: events.map(event => ({ ...step(event), bytes: Buffer.from(`${textOf(event)}\n`) })) }
  const { framer, format } = framed
  let position = 0
  const steps = events.flatMap((event, at): Step[] => {
    const bytes = Buffer.from(`${textOf(event)}\n`)
    const frames = [...framer.push(bytes, position), ...(at === events.length - 1 ? framer.end() : [])]
    position += bytes.length
    return frames.map(({ data, meta, rejects }) => ({
      ...step(event), bytes: data.slice(), meta, rejects: rejects?.map(({ start, code, reason, original }) => ({ position: start, code, reason, original })),
    }))
  })
  return { format, steps }
}

function step(event: unknown): Omit<Step, 'bytes'> {
  if (!isMarked(event)) return { after: 0 }
  const { $after, $key, $headers, $time } = event
  const after = typeof $after === 'number' ? $after : (parseDuration(textIn($after ?? '0')) ?? 0)
  return {
    after,
    key: $key === undefined ? undefined : textIn($key),
    headers: typeof $headers === 'object' && $headers !== null ? Object.fromEntries(Object.entries($headers).map(([name, value]) => [name, textIn(value)])) : undefined,
    time: typeof $time === 'number' ? $time : typeof $time === 'string' ? Date.parse($time) : undefined,
  }
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function textOf(event: unknown): string {
  if (!isMarked(event)) return JSON.stringify(event)
  return event['$text'] === undefined ? JSON.stringify(event['$event'] ?? null) : textIn(event['$text'])
}

/** The format that the source itself would use, if bytes can be cut by it. */
function ownFormat(source: SourceConfig, pipeline: PipelineConfig, registry: Registry): { readonly format: FormatChoice; readonly framer: Framer } | undefined {
  const declaration = registry.source(source.type)
  if (declaration === undefined) return undefined
  const context: ComponentContext = {
    id: source.id, folder: pipeline.folder, now: () => 0, random: () => 0, sleep: () => Promise.resolve(), warn: () => undefined, signal: new AbortController().signal,
  }
  const { format } = declaration.create(prepareConfig(declaration.config, source.config, context), context)
  const codec = registry.codec(format.format)
  if (codec?.framer === undefined) return undefined
  return { format, framer: codec.framer(prepareConfig(codec.config, format.options, context)) }
}
