/** What programs that embed Sluice use. */
export { defineCodec, defineFunction, defineSink, defineSource, defineStage, field, runPipeline } from './engine/index.ts'
export type {
  CodecDeclaration, ComponentContext, FunctionDeclaration, Output, PipelineConfig, Progress, Registry, Report, RunOptions, Sink, SinkDeclaration, Source, SourceDeclaration, Stage, StageContext, StageDeclaration,
} from './engine/index.ts'
export { Event } from './event/index.ts'
export type { JsonValue } from './event/index.ts'
export { SluiceError } from './base/index.ts'
export { Repeats } from './observe/index.ts'
export type { Notice, NoticeKind, Tell } from './observe/index.ts'
export { makeRegistry, registry } from './registry.ts'
export { run } from './embed.ts'
export type { EmbedOptions } from './embed.ts'
export { runFile } from './runtime.ts'
export type { RunFileOptions } from './runtime.ts'
export { component, Pipeline, pipeline, stage } from './pipeline/index.ts'
export type { SinkUse, SourceUse, StageUse } from './pipeline/index.ts'
export { discard, exec, file, generate, http, httpClient, httpServer, stdin, stdout } from './components.ts'
