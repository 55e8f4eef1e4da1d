import assert from 'node:assert/strict'
import { test } from 'node:test'
import { telemetrySettings } from './settings.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' }

test('without an endpoint nothing is sent', () => {
  assert.equal(telemetrySettings({}), undefined)
  assert.equal(telemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ', OTEL_SERVICE_NAME: 'x' }), undefined)
  assert.equal(telemetrySettings({ ...ENDPOINT, OTEL_SDK_DISABLED: 'True' }), undefined)
  assert.equal(telemetrySettings({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' }), undefined)
})

test('an endpoint is for traces and metrics, or for one of them', () => {
  assert.deepEqual(telemetrySettings(ENDPOINT), { traces: true, metrics: true, share: 1, metricsInterval: 60_000, exporter: { timeoutMillis: 3000 } })
  assert.deepEqual(telemetrySettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces/v1/traces', OTEL_EXPORTER_OTLP_TIMEOUT: '500' }), { traces: true, metrics: false, share: 1, metricsInterval: 60_000, exporter: {} })
  assert.deepEqual(telemetrySettings({ OTEL_METRICS_EXPORTER: 'otlp', OTEL_METRIC_EXPORT_INTERVAL: '500' }), { traces: false, metrics: true, share: 1, metricsInterval: 500, exporter: { timeoutMillis: 3000 } })
})

test('samplers are those that OpenTelemetry names', () => {
  const share = (sampler: string, arg?: string): number | undefined => telemetrySettings({ ...ENDPOINT, OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: arg })?.share
  assert.deepEqual([share('always_on'), share('parentbased_always_off'), share('traceidratio', '0.25'), share('parentbased_traceidratio')], [1, 0, 0.25, 1])
  assert.equal(telemetrySettings({ ...ENDPOINT, OTEL_TRACES_SAMPLER: 'always_off' })?.traces, false)
})

test('what can not be done is said, with what can', () => {
  for (const [env, message] of [
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"; here it can be http\/protobuf/],
    [{ OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json' }, /OTEL_EXPORTER_OTLP_METRICS_PROTOCOL is "http\/json"/],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, /OTEL_TRACES_EXPORTER is "zipkin"; here it can be otlp or none/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, /the endpoint for traces is "localhost:4318"/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://me:hunter2@host/' }, /the endpoint for traces is "ftp:\/\/\*\*\*@host\/"/],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, /OTEL_TRACES_SAMPLER/],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, /OTEL_TRACES_SAMPLER_ARG is "2"/],
    [{ OTEL_METRIC_EXPORT_INTERVAL: 'often' }, /OTEL_METRIC_EXPORT_INTERVAL/],
  ] as const) assert.throws(() => telemetrySettings({ ...ENDPOINT, ...env }), { code: 'TELEMETRY_CONFIG', message })
})
