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
