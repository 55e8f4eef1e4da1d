/**
 * Follows what is known of the events through the pipeline: the JSON Schema that holds where a stage takes them.
 * Where several nodes feed one, a schema is known only if all promise the same.
 */
import type { EventSchema } from './check-expression.ts'
import type { DraftNode } from './nodes.ts'
import type { JsonSchema, ValueContext } from './value-context.ts'
import type { Wiring } from './wiring.ts'

export class EventSchemas {
  readonly #wiring: Wiring
  readonly #context: ValueContext
  readonly #leaving = new Map<DraftNode, EventSchema | undefined>()

  constructor(wiring: Wiring, context: ValueContext) {
    this.#wiring = wiring
    this.#context = context
  }

  /** What is known of the events that a node takes. */
  incoming(node: DraftNode): EventSchema | undefined {
    const [first, ...others] = (this.#wiring.from.get(node) ?? []).map(edge => this.#leaving.get(edge.node))
    return others.every(other => other?.schema === first?.schema) ? first : undefined
  }

  /** Notes what a node promises. Of one whose config is wrong, nothing is known. */
  leave(node: DraftNode, incoming: EventSchema | undefined, config: Record<string, unknown>, keepsEvents: boolean): void {
    this.#leaving.set(node, this.#promised(node, incoming, config, keepsEvents))
  }

  #promised({ declaration }: DraftNode, incoming: EventSchema | undefined, config: Record<string, unknown>, keepsEvents: boolean): EventSchema | undefined {
    const named = this.#named(declaration?.config.properties ?? {}, config)
    if (declaration?.kind !== 'stage' || declaration.eventSchema === undefined) return named ?? (keepsEvents ? incoming : undefined)
    const schema = declaration.eventSchema(config, incoming?.schema)
    if (schema === undefined) return undefined
    if (schema === incoming?.schema) return incoming
    return named?.schema === schema ? named : { name: 'of the stages before', schema }
  }

  /** The schema that the component's own config names. */
  #named(fields: Readonly<Record<string, { readonly 'x-sluice'?: string | undefined }>>, config: Record<string, unknown>): EventSchema | undefined {
    const [key] = Object.entries(fields).find(([name, of]) => of['x-sluice'] === 'schema' && config[name] !== undefined) ?? []
    const value = key === undefined ? undefined : config[key]
    if (typeof value === 'string') return this.#context.schemaAt(value)
    return typeof value === 'object' && value !== null ? { name: 'above', schema: value as JsonSchema } : undefined // Checked to be a map.
  }
}
