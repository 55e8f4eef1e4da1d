/**
 * Sums events up: one row for each group, after every `count` events of the group, every `time` of the clock, or at the end of the input.
 *
 * What has not been handed out comes at the end of the input, ordered by group. With `time`, what a row holds depends on when events arrive; with `count` and at the
 * end it depends on the events alone. Quantiles are exact up to `values_max` values of a group and are then taken over a sample of that many (reservoir
 * sampling, J. S. Vitter, 1985, with chance that depends on the group alone). The number of distinct values is exact up to `values_max` and then an estimate.
 */
import { SluiceError } from '../base/index.ts'
import { KEY_GROUPS, defineStage, field } from '../engine/index.ts'
import type { CompiledExpression, Output, StageDeclaration, ValueOf } from '../engine/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { each } from './each.ts'
import { define } from './paths.ts'
import { newSum, resultOf, takeValue } from './sums.ts'
import type { Sum, SumKind } from './sums.ts'
import { numberOf, valueOf } from './values.ts'

const VALUE = field.object({
  of: field.optional(field.expression({ description: 'The value; not needed for count' })),
  fn: field.choice(['count', 'sum', 'min', 'max', 'avg', 'distinct', 'quantile'], { description: 'What to do with it' }),
  q: field.number({ default: 0.5, minimum: 0, maximum: 1, description: 'Which quantile' }),
})
const CONFIG = field.object({
  by: field.record(field.expression(), { default: {}, description: 'Fields that make the group, with their expressions; all events are one group by default' }),
  values: field.record(VALUE, { description: 'Fields of the result' }),
  count: field.optional(field.integer({ minimum: 1, description: 'Hand a group out after so many events' })),
  time: field.optional(field.duration({ description: 'Hand all groups out every so often' })),
  groups_max: field.integer({ default: 100_000, minimum: 1, description: 'Most groups at a time; a new one beyond it is handed out at once' }),
  values_max: field.integer({ default: 10_000, minimum: 1, description: 'Values kept for distinct and quantile, for each group: exact up to so many, estimated beyond' }),
})
type Config = ValueOf<typeof CONFIG>

interface Group {
  readonly by: readonly JsonValue[]
  count: number
  readonly sums: Sum[]
}

interface Part {
  readonly name: string
  readonly kind: SumKind
  readonly of: CompiledExpression | undefined
  readonly q: number
}

function partsOf(config: Config): Part[] {
  return Object.entries(config.values).map(([name, { fn, of, q }]) => {
    if (fn !== 'count' && of === undefined) throw new SluiceError('CONFIG_VALUE', `aggregate: ${name} needs "of", the value to take the ${fn} of.`)
    return { name, kind: fn, of, q }
  })
}

function rowOf(group: Group, names: readonly string[], parts: readonly Part[], valuesMax: number): Record<string, JsonValue> {
  const row: Record<string, JsonValue> = {}
  names.forEach((name, at) => define(row, name, group.by[at] ?? null))
  parts.forEach(({ name, kind, q }, at) => define(row, name, resultOf(group.sums[at] as Sum, kind, group.count, q, valuesMax))) // One sum for each part.
  return row
}

const NOWHERE = { source: 'aggregate', bytes: new Uint8Array(0), locate: (): JsonValue => null }

export const aggregate: StageDeclaration = defineStage({
  type: 'aggregate',
  summary: 'Sum events up, by group',
  config: CONFIG,
  memory: 'keyed',
  examples: [
    {
      title: 'Mean delay of each airline, over two flights',
      config: { by: { airline: 'event.airline' }, values: { flights: { fn: 'count' }, mean: { fn: 'avg', of: 'event.delay' } }, count: 2 },
      input: [{ airline: 'A', delay: 10 }, { airline: 'B', delay: 5 }, { airline: 'A', delay: 20 }],
      output: [{ airline: 'A', flights: 2, mean: 15 }, { airline: 'B', flights: 1, mean: 5 }],
    },
  ],
  create: (config, context) => {
    const names = Object.keys(config.by)
    const keys = Object.values(config.by)
    const parts = partsOf(config)
    // A key group that is full would forget a group that was never handed out. So each has room for all groups: behind `partition_by` those of one partition share one.
    const groups = context.state.table<Group>('groups', { keysMax: (config.groups_max + 1) * KEY_GROUPS })
    const timers = context.state.table<number>('timer', { keysMax: 256 })
    const hand = (name: string, group: Group, out: Output): void => {
      groups.delete(name)
      out.produce(new Event(NOWHERE, 0, 0, undefined, rowOf(group, names, parts, config.values_max)))
    }
    const handAll = (out: Output): void => {
      const all: { readonly name: string; readonly group: Group }[] = []
      for (const [name, group] of groups.entries()) {
        all.push({ name, group })
        groups.delete(name)
      }
      all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      for (const { group } of all) out.produce(new Event(NOWHERE, 0, 0, undefined, rowOf(group, names, parts, config.values_max)))
    }
    return {
      process: each((event, out) => {
        const by = keys.map(key => valueOf(key, event))
        const values = parts.map(({ of, kind }) => (of === undefined ? undefined : kind === 'distinct' ? JSON.stringify(valueOf(of, event)) : numberOf(of, event)))
        const name = JSON.stringify(by)
        const known = groups.get(name)
        const group = known ?? { by, count: 0, sums: parts.map(({ kind }) => newSum(kind)) }
        group.count++
        parts.forEach(({ kind }, at) => takeValue(group.sums[at] as Sum, kind, values[at], group.count, config.values_max, name)) // One sum for each part.
        groups.set(name, group)
        if (config.time !== undefined && timers.get('next') === undefined) timers.set('next', context.now() + config.time)
        out.absorb(event)
        if (config.count !== undefined && group.count >= config.count) hand(name, group, out)
        else if (known === undefined && groups.size > config.groups_max) hand(name, group, out)
      }),
      wakeAt: () => (config.time === undefined ? undefined : earliest(timers.entries())),
      tick: (_now, out) => {
        for (const [name] of timers.entries()) timers.delete(name)
        handAll(out)
      },
      finish: handAll,
    }
  },
}) as StageDeclaration // A stage of one config is a stage.

/** The first of all timers: behind `partition_by` each partition has one. */
function earliest(timers: Iterable<readonly [string, number]>): number | undefined {
  let first: number | undefined
  for (const [, at] of timers) if (first === undefined || at < first) first = at
  return first
}
