/**
 * Components in TypeScript pipelines: `file({ path: 'a.ndjson' })` is a use of the declaration `file`, with its config checked by the compiler.
 *
 * The config is written as in YAML: expressions and durations are text. The factories are made from the declarations, so that nothing is written twice.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { CompiledExpression, CompiledTemplate, Field, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'

/** A prepared config as its user writes it: expressions as text, durations and sizes as text or numbers. Whatever has a default may be left out. */
export type Written<T> = T extends CompiledExpression | CompiledTemplate
  ? string
  : T extends number
    ? number | `${number}${string}`
    : T extends string | boolean | null | undefined
      ? T
      : T extends readonly (infer I)[]
        ? readonly Written<I>[]
        : T extends object
          ? { readonly [K in keyof T]?: Written<T[K]> | undefined }
          : unknown

/** What a factory takes: the fields as an object. */
export type WrittenConfig<F> = F extends Field<infer T> ? (Written<T> extends infer W ? (W extends object ? W : Readonly<Record<string, unknown>>) : never) : never

/** Where events come from, and of what type they are. */
export interface SourceUse<T> {
  readonly type: string
  readonly config: unknown
  readonly source: SourceDeclaration
  /** Checks each event as it comes in; what it refuses goes to the dead letters. */
  readonly schema?: StandardSchemaV1<unknown, T> | undefined
  /** Never there at run time: it only carries the type. */
  readonly __event?: T
}
export interface SinkUse {
  readonly type: string
  readonly config: unknown
  readonly sink: SinkDeclaration
}
/** `O` is the type of the events that leave; the compiler can't know it, so `stage<In, Out>(...)` says it. */
export interface StageUse<I, O> {
  readonly type: string
  readonly config: unknown
  readonly stage: StageDeclaration
  readonly __events?: (event: I) => O
}

/** A source's config may name a validator for its events: any library of the Standard Schema. */
type WithSchema<T> = { readonly schema?: StandardSchemaV1<unknown, T> }

export interface SourceFactory<F> {
  <T = JsonValue>(config?: WrittenConfig<F> & WithSchema<T>): SourceUse<T>
}
export interface SinkFactory<F> {
  (config?: WrittenConfig<F>): SinkUse
}
export interface StageFactory<F> {
  <I = unknown, O = JsonValue>(config?: WrittenConfig<F>): StageUse<I, O>
}
export interface BothFactory<A, B> {
  <T = JsonValue>(config?: WrittenConfig<A> & WithSchema<T>): SourceUse<T> & SinkUse
  (config?: WrittenConfig<B>): SinkUse
}

/** Makes the factory of a component, or of a source and a sink that share a name. */
export function component<F extends Field<unknown>>(declaration: SourceDeclaration<F>): SourceFactory<F>
export function component<F extends Field<unknown>>(declaration: SinkDeclaration<F>): SinkFactory<F>
export function component<F extends Field<unknown>>(declaration: StageDeclaration<F>): StageFactory<F>
export function component<A extends Field<unknown>, B extends Field<unknown>>(source: SourceDeclaration<A>, sink: SinkDeclaration<B>): BothFactory<A, B>
export function component(...declarations: readonly { readonly kind: string; readonly type: string }[]): (config?: Readonly<Record<string, unknown>>) => unknown {
  const roles = Object.fromEntries(declarations.map(declaration => [declaration.kind, declaration]))
  const type = declarations[0]?.type ?? ''
  return (config = {}) => {
    const { schema, ...rest } = config
    const isValidator = typeof schema === 'object' && schema !== null && '~standard' in schema
    return { type, config: isValidator ? rest : config, ...(isValidator ? { schema } : {}), ...roles }
  }
}

/** A use of a stage with a config: `.through(stage(score, { field: 'event.delay' }))`. */
export function stage<I = unknown, O = JsonValue, F extends Field<unknown> = Field<unknown>>(declaration: StageDeclaration<F>, config?: WrittenConfig<F>): StageUse<I, O> {
  return { type: declaration.type, config: config ?? {}, stage: declaration }
}
