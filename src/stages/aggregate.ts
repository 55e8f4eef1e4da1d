/**
 * Sums events up: one row for each group, after every `count` events of the group, every `time` of the clock, or at the end of the input.
 *
 * What has not been handed out comes at the end of the input, ordered by group. With `time`, what a row holds depends on when events arrive; with `count` and at the
 * end it depends on the events alone. Quantiles are exact up to `values_max` values of a group and are then taken over a sample of that many (reservoir
 * sampling, J. S. Vitter, 1985, with chance that depends on the group alone). The number of distinct values is exact up to `values_max` and then an estimate.
 *
 * How many groups are held must not depend on who else lives on the same worker. Without `partition_by` one owner holds them all. Behind it each of the 256 key groups,
 * which lie on one worker or another, has a limit of its own and hands out what is beyond it.
 */
import { SluiceError } from '../base/index.ts'
import { KEY_GROUPS, defineStage, field, keyGroup } from '../engine/index.ts'
import type { CompiledExpression, Output, StageContext, StageDeclaration, StateTable, ValueOf } from '../engine/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { each } from './each.ts'
import { readBy } from './origins.ts'
import { define } from './paths.ts'
import { newSum, resultOf, takeValue } from './sums.ts'
import type { Sum, SumKind } from './sums.ts'
import { knownNumber, knownValue, valueOf } from './values.ts'

const VALUE = field.object({
  of: field.optional(field.expression({ description: 'The value; `count` without it counts the events' })),
  fn: field.choice(['count', 'sum', 'min', 'max', 'avg', 'distinct', 'quantile'], { description: 'What to do with it' }),
  q: field.number({ default: 0.5, minimum: 0, maximum: 1, description: 'Which quantile' }),
})
const CONFIG = field.object({
  by: field.record(field.expression(), { default: {}, description: 'Fields that make the group, with their expressions; all events are one group by default' }),
  values: field.record(VALUE, { description: 'Fields of the result' }),
  count: field.optional(field.integer({ minimum: 1, description: 'Hand a group out after so many events' })),
  time: field.optional(field.duration({ description: 'Hand all groups out every so often' })),
  groups_max: field.integer({ default: 100_000, minimum: 1, description: 'Most groups at a time; a new one beyond it is handed out at once. Behind `partition_by` the limit holds for each key group' }),
  values_max: field.integer({ default: 10_000, minimum: 1, description: 'Values kept for distinct and quantile, for each group: exact up to so many, estimated beyond' }),
})
type Config = ValueOf<typeof CONFIG>

interface Group {
  readonly by: readonly JsonValue[]
  /** Of the events, behind `partition_by`. */
  readonly partition: string | undefined
  /** With `time`: when it is to be handed out, milliseconds since 1970. */
  readonly due: number | undefined
  /** Events. */
  count: number
  readonly sums: Sum[]
}

interface Part {
  readonly name: string
  readonly kind: SumKind
  /** The value that an event has for it, or undefined where there is none to take. Throws FIELD_TYPE for a text where a number is needed. */
  readonly valueOf: (event: Event) => number | string | undefined
  readonly q: number
}

function partsOf(config: Config): Part[] {
  return Object.entries(config.values).map(([name, { fn, of, q }]) => {
    if (fn !== 'count' && of === undefined) throw new SluiceError('CONFIG_VALUE', `aggregate: ${name} needs "of", the value to take the ${fn} of.`)
    return { name, kind: fn, valueOf: reader(fn, of), q }
  })
}

function reader(kind: SumKind, of: CompiledExpression | undefined): Part['valueOf'] {
  if (of === undefined) return () => 1
  if (kind !== 'count' && kind !== 'distinct') return knownNumber(of)
  const read = knownValue(of)
  return event => {
    const value = read(event)
    return value === undefined ? undefined : JSON.stringify(value)
  }
}

const NOWHERE = { source: 'aggregate', bytes: new Uint8Array(0), locate: (): JsonValue => null }

/** Groups that a key group may hold even where its share of all would be less: few keys may have many groups each. */
const SHARE_LEAST = 4096

/** The groups that are open, each counted in its key group. */
class Groups {
  readonly #table: StateTable<Group>
  readonly #most: number
  /** The same for a key group. */
  readonly #share: number
  readonly #counts = new Float64Array(KEY_GROUPS)
  /** Groups without a partition. */
  #single = 0

  constructor(groupsMax: number, context: StageContext) {
    this.#most = groupsMax
    this.#share = Math.max(Math.ceil(groupsMax / KEY_GROUPS), Math.min(groupsMax, SHARE_LEAST))
    // The table must never forget a group by itself, as it was then never handed out: each key group has room for all.
    this.#table = context.state.table<Group>('groups', { keysMax: (groupsMax + 1) * KEY_GROUPS })
    for (const [, group] of this.#table.entries()) this.#count(group.partition, 1)
  }

  #count(partition: string | undefined, by: number): number {
    if (partition === undefined) return (this.#single += by)
    const number = keyGroup(partition)
    return (this.#counts[number] = (this.#counts[number] ?? 0) + by)
  }

  get(name: string): Group | undefined {
    return this.#table.get(name)
  }

  /** Keeps a group; answers false for a new one that is beyond the limit. */
  set(name: string, group: Group, isNew: boolean): boolean {
    this.#table.set(name, group)
    if (!isNew) return true
    return this.#count(group.partition, 1) <= (group.partition === undefined ? this.#most : this.#share)
  }

  delete(name: string, group: Group): void {
    this.#table.delete(name)
    this.#count(group.partition, -1)
  }

  /** Takes all groups out, in order of their names. */
  takeAll(): Group[] {
    const all: { readonly name: string; readonly group: Group }[] = []
    for (const [name, group] of this.#table.entries()) {
      all.push({ name, group })
      this.delete(name, group)
    }
    return all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)).map(({ group }) => group)
  }

  /** When the first group is due. */
  due(): number | undefined {
    let first: number | undefined
    for (const [, { due }] of this.#table.entries()) if (due !== undefined && (first === undefined || due < first)) first = due
    return first
  }
}

export const aggregate: StageDeclaration = defineStage({
  type: 'aggregate',
  summary: 'Sum events up, by group',
  description:
    'As in SQL, what has no value is left out: an event whose `of` is null, or reads a field that the event does not have, changes nothing but a `count` without `of`. ' +
    'Where no value came at all, `count` and `distinct` are 0 and the others null. A text where a number is needed rejects the event.\n\n' +
    'Behind `partition_by` each key has groups of its own. Keys fall into 256 key groups, and the limit holds for each of them by itself, so that the result does not depend on the number of workers: ' +
    `a 256th of \`groups_max\`, but at least ${SHARE_LEAST} (or \`groups_max\` itself, where that is less). Rows keep the key of their events for the stages that follow.`,
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
  origins: ({ by, values }, [name = '']) => {
    const made = Object.hasOwn(by, name) ? by[name] : Object.hasOwn(values, name) ? values[name]?.of : undefined
    return made === undefined ? [] : readBy(made)
  },
  create: (config, context) => {
    const names = Object.keys(config.by)
    const keys = Object.values(config.by)
    const parts = partsOf(config)
    const groups = new Groups(config.groups_max, context)
    /** When all groups are to be handed out; undefined while there are none. It follows from the groups. */
    let due = groups.due()
    const hand = (group: Group, out: Output): void => {
      const row: Record<string, JsonValue> = {}
      names.forEach((name, at) => define(row, name, group.by[at] ?? null))
      parts.forEach(({ name, kind, q }, at) => define(row, name, resultOf(group.sums[at] as Sum, kind, q, config.values_max))) // One sum for each part.
      const event = new Event(NOWHERE, 0, 0, undefined, row)
      event.partition = group.partition
      out.produce(event)
    }
    const newGroup = (by: readonly JsonValue[], event: Event): Group => {
      if (config.time !== undefined) due ??= context.now() + config.time
      return { by, partition: event.partition, due, count: 0, sums: parts.map(({ kind }) => newSum(kind)) }
    }
    return {
      process: each((event, out) => {
        const by = keys.map(key => valueOf(key, event))
        const values = parts.map(part => part.valueOf(event))
        const name = JSON.stringify(by)
        const known = groups.get(name)
        const group = known ?? newGroup(by, event)
        group.count++
        parts.forEach(({ kind }, at) => {
          const value = values[at]
          if (value !== undefined) takeValue(group.sums[at] as Sum, kind, value, config.values_max, name) // One sum for each part.
        })
        const fits = groups.set(name, group, known === undefined)
        out.absorb(event)
        if (!fits) context.warn(`There are more groups than "groups_max" (${config.groups_max}) leaves room for; new ones are handed out after one event.`, 'groups')
        if (!fits || (config.count !== undefined && group.count >= config.count)) {
          groups.delete(name, group)
          hand(group, out)
        }
      }),
      wakeAt: () => due,
      tick: (_now, out) => {
        due = undefined
        for (const group of groups.takeAll()) hand(group, out)
      },
      finish: out => {
        for (const group of groups.takeAll()) hand(group, out)
      },
    }
  },
}) as StageDeclaration // A stage of one config is a stage.
