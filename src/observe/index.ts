/**
 * What a person or a machine sees of a running process: rates, figures of the process, messages.
 *
 * Owns: how often and in which form something is told. Pure but for reading the process's own figures; who calls says where text goes.
 * Never here: a terminal's cursor, a pipeline, an event's content.
 */
export { bottleneckOf, bottleneckText } from './bottleneck.ts'
export type { Bottleneck } from './bottleneck.ts'
export type { Figures, Histogram, SinkFigures, SourceFigures, StageFigures, WorkerFigures } from './figures.ts'
export { AGE_SECONDS, BATCH_BYTES, BATCH_EVENTS, Distribution, LATENCY_SECONDS, STAGE_SECONDS, percentile } from './distribution.ts'
export type { AdaptiveFigures, Decided, Decision } from './decisions.ts'
export { healthOf, troubleOf } from './health.ts'
export type { Condition, Health } from './health.ts'
export { Metrics } from './metrics.ts'
export { RateMeter } from './rate-meter.ts'
export { Messages, isTold, visible } from './messages.ts'
export type { Level } from './messages.ts'
export type { Notice, NoticeKind, Tell } from './notices.ts'
export { REPEATS_WINDOW, Repeats, likeness } from './repeats.ts'
export { Trouble } from './trouble.ts'
export type { TroubleFigures, TroubleSaid } from './trouble.ts'
export { openTelemetry } from './otlp/index.ts'
export type { Telemetry } from './otlp/index.ts'
export { TRACEPARENT, TRACESTATE, parseTraceparent, traceparentOf } from './tracing.ts'
export type { BatchTrace, TraceContext, TracedBatch, TracedEvent, TracedWrite, Traces, Tracing, WriteTrace } from './tracing.ts'
export { processFigures } from './process-figures.ts'
export type { ProcessFigures } from './process-figures.ts'
