/**
 * Scores how unusual a number is, by what came before under the same key.
 *
 * `z_score`: distance from the mean in standard deviations; mean and variance by Welford's method (B. P. Welford, Technometrics 4, 1962).
 * `ewma`: the same with exponentially weighted mean and variance; `alpha` is the weight of the newest value (T. Finch, "Incremental calculation of weighted mean
 * and variance", 2009).
 * `mad`: distance from the median in median absolute deviations, times 0.6745, over the last `window` values (B. Iglewicz and D. Hoaglin, 1993).
 *
 * An event is scored by those before it, then taken in. The first `warm_up` events of a key score 0. Where nothing varied yet, an equal value scores 0 and another
 * one `score_max`.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { overlap, readBy, together } from './origins.ts'
import { parsePath, setField } from './paths.ts'
import { numberOf, rememberedKey } from './values.ts'

const CONFIG = field.object({
  field: field.expression({ expect: 'number', description: 'The number to score' }),
  key: field.optional(field.expression({ description: 'Events with equal keys are compared with each other; all by default' })),
  as: field.string({ default: 'score', description: 'Path that takes the score' }),
  method: field.choice(['z_score', 'ewma', 'mad'], { default: 'z_score', description: 'How the score is made' }),
  threshold: field.optional(field.number({ minimum: 0, description: 'With it, `<as>` is { score, anomaly }, where anomaly says that the score reaches it' })),
  warm_up: field.integer({ default: 10, minimum: 1, description: 'Events of a key before it is scored' }),
  alpha: field.number({ default: 0.1, minimum: 0, maximum: 1, description: 'Weight of the newest value, for `ewma`' }),
  window: field.integer({ default: 100, minimum: 3, maximum: 10_000, description: 'Values kept for each key, for `mad`' }),
  keys_max: field.integer({ default: 100_000, minimum: 1, description: 'Most keys remembered' }),
  score_max: field.number({ default: 1000, minimum: 0, maximum: 1e9, description: 'Greatest score' }),
})

/** Squares of larger numbers, and their sums, leave what a double can hold: such a value would spoil the key's scores for ever. */
const VALUE_MAX = 1e100

export interface Running {
  count: number
  mean: number
  /** Sum of squares for `z_score`, variance for `ewma`. */
  spread: number
  /** Last values, oldest first; for `mad` alone. */
  values: number[]
}

export const NEW_RUNNING = (): Running => ({ count: 0, mean: 0, spread: 0, values: [] })

export type Method = 'z_score' | 'ewma' | 'mad'

/** How far a value lies from those before it; not limited, Infinity where nothing varied. */
export function distance(running: Running, value: number, method: Method): number {
  if (method === 'mad') return madDistance(running.values, value)
  const variance = method === 'ewma' ? running.spread : running.spread / Math.max(1, running.count - 1)
  return ratio(Math.abs(value - running.mean), Math.sqrt(variance))
}

function madDistance(values: readonly number[], value: number): number {
  const center = median(values)
  const deviation = median(values.map(one => Math.abs(one - center)))
  return 0.6745 * ratio(Math.abs(value - center), deviation)
}

function ratio(away: number, spread: number): number {
  return spread > 0 ? away / spread : away === 0 ? 0 : Infinity
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** Takes a value in. */
export function take(running: Running, value: number, method: Method, alpha: number, window: number): void {
  running.count++
  const away = value - running.mean
  if (method === 'mad') {
    running.values.push(value)
    if (running.values.length > window) running.values.shift()
  } else if (method === 'z_score') {
    running.mean += away / running.count
    running.spread += away * (value - running.mean)
  } else if (running.count === 1) running.mean = value
  else {
    running.mean += alpha * away
    running.spread = (1 - alpha) * (running.spread + alpha * away * away)
  }
}

export const score: StageDeclaration = defineStage({
  type: 'score',
  summary: 'Score how unusual a number is',
  config: CONFIG,
  memory: 'keyed',
  examples: [
    {
      title: 'A jump stands out',
      config: { field: 'event.v', warm_up: 3, threshold: 3, as: 'a' },
      input: [{ v: 1 }, { v: 2 }, { v: 3 }, { v: 12 }],
      output: [{ v: 1, a: { score: 0, anomaly: false } }, { v: 2, a: { score: 0, anomaly: false } }, { v: 3, a: { score: 0, anomaly: false } }, { v: 12, a: { score: 10, anomaly: true } }],
    },
  ],
  origins: (config, path) => (overlap(parsePath(config.as), path) ? together([[path], readBy(config.field)]) : [path]),
  create: (config, context) => {
    const path = parsePath(config.as)
    const table = context.state.table<Running>('running', { keysMax: config.keys_max })
    return {
      process: each((event, out) => {
        const value = numberOf(config.field, event)
        if (!(Math.abs(value) <= VALUE_MAX)) throw new SluiceError('FIELD_TYPE', `score: ${value} can't be scored; ${VALUE_MAX} is the greatest number.`)
        const name = config.key === undefined ? '' : rememberedKey(config.key, event)
        const running = table.get(name) ?? NEW_RUNNING()
        const made = running.count < config.warm_up ? 0 : Math.min(config.score_max, distance(running, value, config.method))
        const rounded = Math.round(made * 1e6) / 1e6
        setField(event, path, JSON.stringify(config.threshold === undefined ? rounded : { score: rounded, anomaly: rounded >= config.threshold }))
        take(running, value, config.method, config.alpha, config.window)
        table.set(name, running)
        out.emit(event)
      }),
    }
  },
}) as StageDeclaration // A stage of one config is a stage.
