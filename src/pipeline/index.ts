/**
 * Pipelines as people write them: YAML files and TypeScript programs become the engine's config.
 *
 * Owns: the layout of a pipeline's file, every message about what is wrong in it, the JSON Schema for editors, config tests.
 * Never here: running anything (the engine does), a component's name, the YAML library at import time.
 */
export { configOrThrow, loadPipeline } from './load.ts'
export type { LoadOptions, LoadResult } from './load.ts'
export { renderDiagnostic, renderDiagnostics } from './diagnostic.ts'
export type { Diagnostic, DiagnosticPaint } from './diagnostic.ts'
export { echoPipeline } from './echo.ts'
export { fieldSchema, pipelineSchema } from './schema.ts'
export { loadPlugins, withPlugins } from './plugins/plugins.ts'
export { withDeclarations } from './extended-registry.ts'
export type { AnyDeclaration } from './extended-registry.ts'
export { buildPipeline, loadModulePipeline, withPluginsOf } from './builder/build.ts'
export type { BuildOptions, BuiltPipeline } from './builder/build.ts'
export type { EventContext, EventFunction, LookUp } from './builder/inline.ts'
export { collect, each, items } from './builder/ends.ts'
export { Pipeline, pipeline } from './builder/pipeline.ts'
export type { PipelineSettings, PipelineStart, RetrySettings, SinkSettings, StageSettings } from './builder/pipeline.ts'
export { component, stage } from './builder/use.ts'
export type { BothFactory, SinkFactory, SinkUse, SourceFactory, StageFactory, SourceUse, StageUse, Written, WrittenConfig } from './builder/use.ts'
export { renderTestResult, runConfigTests } from './config-tests/run.ts'
export type { TestFailure, TestOptions, TestResult } from './config-tests/run.ts'
