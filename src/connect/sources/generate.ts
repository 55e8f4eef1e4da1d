/**
 * Makes events up: for demos, tests and measurements. Event number i depends on the seed and on i alone, so a run that goes on in the middle makes the same events.
 */
import { defineSource, field } from '../../engine/index.ts'
import type { Piece } from '../../engine/index.ts'
import { seededRandom } from '../../platform/index.ts'

const CONFIG = field.object({
  shape: field.choice(['sensor', 'weblog', 'order'], { default: 'sensor', description: 'What the events look like' }),
  count: field.integer({ default: 1000, minimum: 0, description: 'How many events; 0 without end' }),
  rate: field.optional(field.number({ minimum: 0.001, description: 'Events a second; as fast as they are taken by default' })),
  seed: field.integer({ default: 1, description: 'Another seed makes other events' }),
  bad: field.number({ default: 0, minimum: 0, maximum: 1, description: 'Share of events with a fault: a value out of range, a missing field' }),
  start: field.integer({ default: 1_767_225_600_000, description: 'Time of the first event, in milliseconds since 1970' }),
})

const CITIES = ['berlin', 'lagos', 'lima', 'oslo', 'pune', 'quito', 'seoul', 'tunis']
const PATHS = ['/', '/cart', '/item/1042', '/search?q=x', '/login', '/api/v1/orders']

type Random = () => number

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T // The index is inside the array.
}

function sensor(i: number, time: number, random: Random, bad: boolean): object {
  const spike = random() < 0.005
  const temperature = Math.round((20 + 8 * Math.sin(i / 500) + (random() - 0.5) * 4 + (spike ? 25 : 0)) * 100) / 100
  const event = { id: `r-${i}`, device: `s-${Math.floor(random() * 50)}`, site: pick(CITIES, random), time, temperature, humidity: Math.round(random() * 1000) / 10, battery: Math.floor(random() * 101) }
  if (!bad) return event
  const { device, ...without } = event
  return random() < 0.5 ? { ...event, temperature: 999 } : { ...without, note: `was ${device}` }
}

function weblog(_i: number, time: number, random: Random, bad: boolean): object {
  const status = pick([200, 200, 200, 200, 201, 302, 404, 500], random)
  const stamp = new Date(time).toUTCString().replace(/^\w+, (\d+) (\w+) (\d+) (\S+) GMT$/, '$1/$2/$3:$4 +0000')
  const line = `10.0.${Math.floor(random() * 4)}.${Math.floor(random() * 250)} - - [${stamp}] "${pick(['GET', 'GET', 'POST'], random)} ${pick(PATHS, random)} HTTP/1.1" ${status} ${Math.floor(random() * 20000)} "-" "Mozilla/5.0"`
  return { line: bad ? line.slice(0, 20) : line }
}

function order(i: number, time: number, random: Random, bad: boolean): object {
  const items = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({ sku: `p-${Math.floor(random() * 200)}`, count: 1 + Math.floor(random() * 3), price: Math.round(random() * 10000) / 100 }))
  return { id: `o-${i}`, customer: `c-${Math.floor(random() * 1000)}`, time, country: pick(['de', 'fr', 'in', 'jp', 'us'], random), items: bad ? null : items }
}

const SHAPES = { sensor, weblog, order }

/** Most events in a piece. */
const PIECE = 500

export const generate = defineSource({
  type: 'generate',
  summary: 'Make events up',
  config: CONFIG,
  replays: true,
  examples: [{ title: 'A thousand sensor readings', config: { shape: 'sensor', count: 1000, bad: 0.01 } }],
  create: (config, context) => {
    const make = SHAPES[config.shape]
    let at = 0
    let began = 0
    const text = (i: number): string => {
      const random = seededRandom(config.seed, i)
      return JSON.stringify(make(i, config.start + i * 1000, random, random() < config.bad))
    }
    const allowed = async (signal: AbortSignal): Promise<number> => {
      const left = config.count === 0 ? PIECE : Math.min(PIECE, config.count - at)
      if (config.rate === undefined || left <= 0) return left
      for (;;) {
        const due = Math.floor(((context.now() - began) / 1000) * config.rate) - at
        if (due >= 1 || signal.aborted) return Math.min(left, Math.max(0, due))
        await context.sleep(Math.max(1, Math.min(1000 / config.rate, 1000)), signal).catch(() => undefined)
      }
    }
    return {
      live: config.rate !== undefined || config.count === 0,
      format: { format: 'ndjson', options: {} },
      open: position => {
        at = typeof position === 'number' ? position : 0
        began = config.rate === undefined ? 0 : context.now() - (at / config.rate) * 1000
        return Promise.resolve()
      },
      next: async (_bytes, signal): Promise<Piece | undefined> => {
        const count = await allowed(signal)
        if (count <= 0) return undefined
        const from = at
        at += count
        const data = new Uint8Array(Buffer.from(Array.from({ length: count }, (_, i) => `${text(from + i)}\n`).join('')))
        return { position: at, from: { generated: from, offset: 0 }, bytes: data.length, data }
      },
      close: () => Promise.resolve(),
    }
  },
})
