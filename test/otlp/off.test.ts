import assert from 'node:assert/strict'
import { test } from 'node:test'
import { folderWith, sluice } from '../cli/sluice.ts'

/** Says on standard error what is loaded of OpenTelemetry, but for its interface alone, which the client library for Prometheus asks for. */
const SPY = `data:text/javascript,${encodeURIComponent("import { registerHooks } from 'node:module'; registerHooks({ resolve(name, context, next) { if (name.startsWith('@opentelemetry/sdk') || name.startsWith('@opentelemetry/exporter')) console.error('LOADED', name); return next(name, context) } })")}`

test('without an endpoint nothing of OpenTelemetry\'s SDK is loaded', async t => {
  const folder = folderWith(t, { 'in.ndjson': '{"n":1}\n', 'p.yaml': 'pipeline: p\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { file: { path: out.ndjson } } }\n' })
  const loaded = async (env: Readonly<Record<string, string>>): Promise<boolean> => {
    const { code, err } = await sluice(['run', 'p.yaml', '--admin', '127.0.0.1:0', '--workers', '1'], { folder, env: { NODE_OPTIONS: `--import=${SPY}`, ...env } })
    assert.equal(code, 0, err)
    return err.includes('LOADED @opentelemetry/')
  }
  assert.equal(await loaded({}), false)
  assert.equal(await loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_EXPORTER_OTLP_TIMEOUT: '100' }), true)
})
