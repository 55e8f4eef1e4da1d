/**
 * Sends metrics and traces by OTLP, with OpenTelemetry's SDK. Loaded only where an endpoint is set.
 *
 * A receiver that is away costs nothing but a message: spans wait in a queue with a limit, metrics are read anew for the next export, and the end of a run waits for the
 * last export for a few seconds at most.
 */
import { DiagLogLevel, ValueType, diag } from '@opentelemetry/api'
import type { HrTime } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import type { Resource } from '@opentelemetry/resources'
import { AggregationTemporality, DataPointType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { MetricProducer } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import { systemClock } from '../../platform/index.ts'
import type { Figures } from '../figures.ts'
import { Metrics } from '../metrics.ts'
import type { Tracing } from '../tracing.ts'
import { metricData } from './metric-data.ts'
import { seldom } from './seldom.ts'
import type { TelemetrySettings } from './settings.ts'
import { SpanIds, Spans } from './spans.ts'

export interface TelemetryOptions {
  readonly version: string
  readonly figures: () => Figures | undefined
  /** What is wrong with sending. */
  readonly warn: (message: string) => void
}

/** What sends. */
export interface Telemetry {
  /** Undefined where no traces are asked for. */
  readonly tracing: Tracing | undefined
  /** Sends what is left, and ends. Takes a few seconds at most. */
  close(): Promise<void>
}

/** Milliseconds that the end of a run waits for the last export. */
const CLOSE_MAX = 5000
const KINDS = { double: ValueType.DOUBLE, cumulative: AggregationTemporality.CUMULATIVE, gauge: DataPointType.GAUGE, sum: DataPointType.SUM, histogram: DataPointType.HISTOGRAM } as const

export async function open(settings: TelemetrySettings, options: TelemetryOptions): Promise<Telemetry> {
  const { version, warn } = options
  const tell = seldom(message => warn(`Telemetry is not sent as it should be: ${plain(message)}`), () => systemClock.monotonic())
  diag.setLogger({ error: tell, warn: tell, info: () => undefined, debug: () => undefined, verbose: () => undefined }, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': 'sluice', 'service.version': version })).merge(detectResources({ detectors: [envDetector] }))
  const traces = settings.traces ? openTraces(settings, resource, version) : undefined
  const metrics = settings.metrics ? await openMetrics(settings, resource, options) : undefined
  return {
    tracing: traces?.tracing,
    async close() {
      traces?.tracing.close()
      const { promise, resolve } = Promise.withResolvers<void>()
      const cancel = systemClock.timer(CLOSE_MAX, () => {
        tell(`the last export took longer than ${CLOSE_MAX} ms`)
        resolve()
      })
      const closing = Promise.allSettled([traces?.provider.shutdown(), metrics?.shutdown()]).then(() => undefined)
      await Promise.race([closing, promise])
      cancel()
      diag.disable()
    },
  }
}

function openTraces({ share, exporter }: TelemetrySettings, resource: Resource, version: string): { readonly tracing: Spans; readonly provider: TracerProvider } {
  const idGenerator = new SpanIds()
  // Whoever sent an event with a trace has decided about it; the share is for traces that begin here.
  const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) })
  const provider = new TracerProvider({ resource, sampler, idGenerator, spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(exporter), exportTimeoutMillis: CLOSE_MAX })] })
  return { tracing: new Spans(provider.getTracer('sluice', version), idGenerator), provider }
}

async function openMetrics({ metricsInterval: exportIntervalMillis, exporter }: TelemetrySettings, resource: Resource, { version, figures }: TelemetryOptions): Promise<MeterProvider> {
  const metrics = await Metrics.make(figures)
  const since = timeNow()
  const producer: MetricProducer = {
    async collect() {
      const made = metricData(await metrics.all(), since, timeNow(), KINDS)
      return { resourceMetrics: { resource, scopeMetrics: [{ scope: { name: 'sluice', version }, metrics: made }] }, errors: [] }
    },
  }
  const exportTimeoutMillis = Math.min(exportIntervalMillis, CLOSE_MAX)
  return new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(exporter), exportIntervalMillis, exportTimeoutMillis, metricProducers: [producer] })] })
}

/** The library writes errors as JSON, with their stack. */
function plain(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && 'message' in parsed ? String(parsed.message) : text
  } catch {
    return text
  }
}

function timeNow(): HrTime {
  const ms = systemClock.now()
  return [Math.floor(ms / 1000), (ms % 1000) * 1_000_000]
}
