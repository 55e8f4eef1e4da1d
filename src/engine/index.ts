/**
 * The engine: runs a plan. Batches, credits, acknowledgement, checkpoints, workers, failure policies.
 *
 * Owns: threads, the order of events, what is committed when. Knows components by their declarations only.
 * Never here: YAML, file formats, connectors, a component's name.
 */
export * from './component.ts'
export * from './config.ts'
export * as field from './fields.ts'
export type { Field, Special, ValueOf } from './fields.ts'
export type { CompiledExpression, CompiledTemplate } from './prepare.ts'
