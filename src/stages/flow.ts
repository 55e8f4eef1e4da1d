/** `dedupe`, `sample` and `throttle`: fewer events, or slower ones. */
import { createHash } from 'node:crypto'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { RateLimiter } from '../base/index.ts'
import { each } from './each.ts'
import { sameFields } from './origins.ts'
import { keyOf, rememberedKey, timeOf } from './values.ts'

export const dedupe: StageDeclaration = defineStage({
  type: 'dedupe',
  summary: 'Drop repeated events',
  description:
    'Drops an event that lies within `window` of the latest event that passed with the same key. Its time is that of `time`, else the event time that its source gave it, else the clock; only with the first two is the result the same in every run. ' +
    '`window: 0` remembers without end. Keeps about `keys_max` keys and forgets those that were not seen for longest.',
  config: field.object({
    key: field.expression({ description: 'What makes two events the same' }),
    window: field.duration({ default: '10m', description: 'How long a key is remembered; 0 without end' }),
    time: field.optional(field.expression({ description: 'Time of the event: milliseconds since 1970, a timestamp, or a text such as 2026-01-31T12:00:00Z' })),
    keys_max: field.integer({ default: 100_000, minimum: 1, description: 'Most keys remembered' }),
  }),
  shorthand: 'key',
  memory: 'keyed',
  examples: [{ title: 'One event for each id', config: 'event.id', input: [{ id: 1 }, { id: 2 }, { id: 1 }], output: [{ id: 1 }, { id: 2 }] }],
  origins: sameFields,
  create: ({ key, window, time: timeExpression, keys_max }, context) => {
    const seen = context.state.table<number>('seen', { keysMax: keys_max })
    return {
      process: each((event, out) => {
        const name = rememberedKey(key, event)
        const time = timeExpression === undefined ? (event.time ?? context.now()) : timeOf(timeExpression, event)
        const last = seen.get(name)
        const repeated = last !== undefined && (window === 0 || Math.abs(time - last) <= window)
        if (repeated) return out.drop(event)
        // A late event that passes must not make the later one forgotten.
        seen.set(name, last === undefined ? time : Math.max(last, time))
        out.emit(event)
      }),
    }
  },
}) as StageDeclaration // A stage of one config is a stage; so for the others.

export const sample: StageDeclaration = defineStage({
  type: 'sample',
  summary: 'Keep a share of the events',
  description: 'Which events stay is a function of `key` and `seed` alone (SHA-256), so the same events stay in every run. Without a key, the text of the event decides.',
  config: field.object({
    rate: field.number({ minimum: 0, maximum: 1, description: 'Share of the events that stay' }),
    key: field.optional(field.expression({ description: 'Events with equal keys stay or go together' })),
    seed: field.string({ default: '', description: 'Another seed keeps other events' }),
  }),
  shorthand: 'rate',
  examples: [{ title: 'All of them', config: 1, input: [{ id: 1 }], output: [{ id: 1 }] }],
  origins: sameFields,
  create: ({ rate, key, seed }) => ({
    process: each((event, out) => {
      const text = key === undefined ? event.text : keyOf(key, event)
      const hash = createHash('sha256').update(`${seed}\0${text}`).digest().readUInt32BE(0)
      if (hash < rate * 2 ** 32) out.emit(event)
      else out.drop(event)
    }),
  }),
}) as StageDeclaration

export const throttle: StageDeclaration = defineStage({
  type: 'throttle',
  summary: 'Let no more than so many events pass in a length of time',
  description: 'Holds events back; nothing is dropped. The limit holds for each worker by itself.',
  waits: true,
  config: field.object({ events: field.integer({ minimum: 1, description: 'Events that may pass' }), per: field.duration({ default: '1s', description: 'Length of time that they are counted over' }) }),
  shorthand: 'events',
  examples: [{ title: 'A thousand a second', config: 1000 }],
  origins: sameFields,
  create: ({ events: most, per }, context) => {
    const limiter = new RateLimiter({ events: most, bytes: undefined, per }, context)
    return {
      process: async (events, out) => {
        for (const event of events) {
          await limiter.take({ events: 1, bytes: 0 }, context.signal)
          out.emit(event)
        }
      },
    }
  },
}) as StageDeclaration
