/**
 * The engine: runs a plan. Batches, credits, acknowledgement, checkpoints, workers, failure policies.
 *
 * Owns: threads, the order of events, what is committed when. Knows components by their declarations only.
 * Never here: YAML, file formats, connectors, a component's name.
 */
export * from './component.ts'
export * from './config.ts'
export * as field from './fields.ts'
export { mayBeLeftOut } from './fields.ts'
export type { Field, Special, ValueOf } from './fields.ts'
export { defineFunction } from './functions.ts'
export type { FunctionDeclaration, FunctionSpec, Parameter, ParameterType } from './functions.ts'
export { compileFor, fits, prepareConfig, templateParts } from './prepare.ts'
export type { CompiledExpression, CompiledTemplate, PrepareContext } from './prepare.ts'
export { MAIN, makePlan } from './plan.ts'
export type { Plan } from './plan.ts'
export type { Progress, Report } from './report.ts'
export { contextFor } from './context.ts'
export { runPipeline } from './run.ts'
export { DEAD_LETTER_INPUT, deliveryProblem } from './run-state.ts'
export type { RunOptions } from './run.ts'
export type { HostData, ThreadStart } from './hosts.ts'
export { RunControl } from './reload.ts'
export type { ScaleOutcome } from './adaptive/scaler.ts'
export { Slots } from './adaptive/slots.ts'
export type { Difference, ReloadOutcome, ReloadRequest } from './reload.ts'
export { serveHost } from './serve.ts'
export { RATE_DEFAULT, RATE_MAX } from './tap/order.ts'
export type { TapRequest, TapSample, TapSide } from './tap/order.ts'
export type { Tap, TapCounts, TapWatcher } from './tap/taps.ts'
export { KEY_GROUPS, StageMemory, keyGroup } from './memory.ts'
export type { DeadLetter } from './dead-letter.ts'
