/** What components are given, on whatever thread they live. */
import type { Clock } from '../platform/index.ts'
import type { InFlightStep } from './adaptive/in-flight.ts'
import type { ComponentContext } from './component.ts'
import type { PipelineConfig, Registry } from './config.ts'
import type { Troubles } from './troubles.ts'

/** Bytes that one record may have. */
export const RECORD_MAX = 16 * 1024 * 1024

export function contextFor(
  config: PipelineConfig,
  clock: Clock,
  random: () => number,
  signal: AbortSignal,
  warn: (place: string, message: string, key?: string) => void,
  functions?: Registry['functions'],
  troubles?: Troubles,
  limited?: (id: string, step: InFlightStep) => void,
): (id: string) => ComponentContext {
  return id => ({
    id,
    folder: config.folder,
    now: () => clock.now(),
    random,
    sleep: (ms, of) => clock.sleep(ms, of ?? signal),
    warn: (message, key) => warn(id, message, key),
    signal,
    functions,
    trouble: troubles?.of(id),
    ...(limited === undefined ? {} : { limited: (step: InFlightStep) => limited(id, step) }),
    keeps: config.state !== undefined,
  })
}
