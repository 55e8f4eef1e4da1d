/**
 * Dead letters, as a tap may show them.
 *
 * Of a pipeline that hides nothing they are shown as they are. Else nobody knows what a reason quotes and what a position is made of, so neither is shown; the original is
 * shown without what is hidden behind its source, and not at all where its bytes are not the JSON of the event.
 */
import type { JsonValue } from '../../event/index.ts'
import type { ComponentContext } from '../component.ts'
import type { Registry, SourceConfig } from '../config.ts'
import type { Plan } from '../plan.ts'
import { prepareConfig } from '../prepare.ts'
import { MASK, masked } from './hidden.ts'
import type { Hidden, HiddenAt } from './hidden.ts'

/** What is hidden of what a source read; undefined where its bytes can't be told from the event. */
export type HiddenOf = ReadonlyMap<string, Hidden | undefined>

/** Undefined where the pipeline hides nothing. */
export function hiddenOfSources(plan: Plan, registry: Registry, context: (id: string) => ComponentContext, { after }: HiddenAt): HiddenOf | undefined {
  if (after.every(hidden => hidden.length === 0)) return undefined
  return new Map(plan.sources.flatMap(index => {
    const node = plan.nodes[index]
    if (node === undefined) return []
    const config = node.config as SourceConfig // The node of a source.
    return [[node.id, isJson(config, registry, context(node.id)) ? (after[index] ?? 'all') : undefined] as const]
  }))
}

/** Formats whose bytes are the JSON of the event, where their `value` does not say otherwise. */
const OF_JSON = ['ndjson', 'log_records', 'messages']

function isJson({ type, config }: SourceConfig, registry: Registry, context: ComponentContext): boolean {
  const declaration = registry.source(type)
  if (declaration === undefined) return false
  const { format, options } = declaration.create(prepareConfig(declaration.config, config, context), context).format
  const value = typeof options === 'object' && options !== null && 'value' in options ? options.value : undefined
  return OF_JSON.includes(format) && (format === 'ndjson' || value === 'json')
}

/** Characters of an original that is shown. */
const ORIGINAL_MAX = 32 * 1024

/** The letter, with only the length of an original that is too large to be shown. */
export function withinReach(letter: JsonValue): JsonValue {
  if (typeof letter !== 'object' || letter === null || Array.isArray(letter)) return letter
  const { original, original_base64: bytes, ...rest } = letter as Readonly<Record<string, JsonValue>> // Not an array, as was asked.
  const text = original ?? bytes
  return typeof text === 'string' && text.length > ORIGINAL_MAX ? { ...rest, original_length: text.length } : letter
}

/** The letter without what is hidden. `letter` is a record as `deadLetter` makes it. */
export function shownLetter(letter: JsonValue, hiddenOf: HiddenOf): JsonValue {
  if (typeof letter !== 'object' || letter === null || Array.isArray(letter)) return MASK
  const { pipeline, stage, code, attempts, time, source, original } = letter as Readonly<Record<string, JsonValue>> // Not an array, as was asked.
  const hidden = hiddenOf.get(String(source))
  return { pipeline, stage, code, reason: MASK, attempts, time, source, original: hidden === undefined || typeof original !== 'string' ? MASK : originalOf(original, hidden) }
}

function originalOf(original: string, hidden: Hidden): string {
  try {
    const value: JsonValue = JSON.parse(original)
    return JSON.stringify(masked(value, hidden))
  } catch {
    return MASK
  }
}
