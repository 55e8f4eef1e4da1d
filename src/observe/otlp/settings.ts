/** Whether and what to send by OTLP, from the environment variables that OpenTelemetry has for it. The exporters read the others by themselves: headers, timeout, compression. */
import { SluiceError } from '../../base/index.ts'

export interface TelemetrySettings {
  readonly traces: boolean
  readonly metrics: boolean
  /** What decides about traces that begin here: a share of them, 0 to 1. */
  readonly share: number
  /** Milliseconds between two exports of metrics. */
  readonly metricsInterval: number
  /** For the exporters; what is not here they take from the environment. */
  readonly exporter: { readonly timeoutMillis?: number }
}

type Env = Readonly<Record<string, string | undefined>>

const INTERVAL = 60_000
/** Milliseconds for an export with all its attempts: the end of a run waits for the last one. OpenTelemetry's own 10 s would hold up a run of seconds. */
const EXPORT_MAX = 3000

/** Undefined where nothing is to be sent. Throws TELEMETRY_CONFIG for what can't be done. */
export function telemetrySettings(env: Env): TelemetrySettings | undefined {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined
  const [sampler, share] = shareOf(env)
  const [traces, metrics] = [isOn(env, 'TRACES') && sampler !== 'always_off', isOn(env, 'METRICS')]
  return traces || metrics ? { traces, metrics, share, metricsInterval: intervalOf(env), exporter: timeoutOf(env) } : undefined
}

function set(env: Env, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

/** A signal is sent where an endpoint is set for it, or where it is asked for by name. */
function isOn(env: Env, signal: 'TRACES' | 'METRICS'): boolean {
  const exporter = set(env, `OTEL_${signal}_EXPORTER`)
  if (exporter !== undefined && exporter !== 'none' && exporter !== 'otlp') throw wrong(`OTEL_${signal}_EXPORTER`, exporter, 'otlp or none')
  if (exporter === 'none' || (exporter === undefined && endpointOf(env, signal) === undefined)) return false
  const name = set(env, `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`) === undefined ? 'OTEL_EXPORTER_OTLP_PROTOCOL' : `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`
  const protocol = set(env, name)
  if (protocol !== undefined && protocol !== 'http/protobuf') throw wrong(name, protocol, 'http/protobuf, which receivers take at port 4318')
  const endpoint = endpointOf(env, signal)
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) throw wrong(`the endpoint for ${signal.toLowerCase()}`, endpoint, 'an address such as http://localhost:4318')
  return true
}

function endpointOf(env: Env, signal: string): string | undefined {
  return set(env, `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`) ?? set(env, 'OTEL_EXPORTER_OTLP_ENDPOINT')
}

function shareOf(env: Env): readonly [sampler: string, share: number] {
  const sampler = set(env, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on'
  const text = set(env, 'OTEL_TRACES_SAMPLER_ARG') ?? '1'
  const share = Number(text)
  switch (sampler) {
    case 'always_on':
    case 'parentbased_always_on':
      return [sampler, 1]
    case 'always_off':
    case 'parentbased_always_off':
      return [sampler, 0]
    case 'traceidratio':
    case 'parentbased_traceidratio':
      if (!(share >= 0 && share <= 1)) throw wrong('OTEL_TRACES_SAMPLER_ARG', text, 'a number from 0 to 1')
      return [sampler, share]
    default:
      throw wrong('OTEL_TRACES_SAMPLER', sampler, 'always_on, always_off or traceidratio, each also with parentbased_ before it')
  }
}

function intervalOf(env: Env): number {
  const text = set(env, 'OTEL_METRIC_EXPORT_INTERVAL')
  const interval = text === undefined ? INTERVAL : Number(text)
  if (!(Number.isInteger(interval) && interval >= 100 && interval < 2 ** 31)) throw wrong('OTEL_METRIC_EXPORT_INTERVAL', text ?? '', 'milliseconds, 100 or more')
  return interval
}

function timeoutOf(env: Env): TelemetrySettings['exporter'] {
  const isSet = ['', 'TRACES_', 'METRICS_'].some(signal => set(env, `OTEL_EXPORTER_OTLP_${signal}TIMEOUT`) !== undefined)
  return isSet ? {} : { timeoutMillis: EXPORT_MAX }
}

function wrong(name: string, value: string, expected: string): SluiceError {
  return new SluiceError('TELEMETRY_CONFIG', `${name} is ${JSON.stringify(value.replace(/\/\/[^@/]*@/, '//***@'))}; here it can be ${expected}.`)
}
