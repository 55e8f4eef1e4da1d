/** Telemetry by OTLP. Nothing of OpenTelemetry is loaded before `openTelemetry` is called with settings. */
import type { Telemetry, TelemetryOptions } from './open.ts'
import { telemetrySettings } from './settings.ts'

export type { Telemetry, TelemetryOptions } from './open.ts'

/** Undefined where the environment asks for none. Throws TELEMETRY_CONFIG for what can't be done. */
export async function openTelemetry(env: Readonly<Record<string, string | undefined>>, options: TelemetryOptions): Promise<Telemetry | undefined> {
  const settings = telemetrySettings(env)
  if (settings === undefined) return undefined
  const { open } = await import('./open.ts')
  return open(settings, options)
}
