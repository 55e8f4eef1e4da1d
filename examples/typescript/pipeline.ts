/**
 * Orders: checked, summed up, and sent different ways. The compiler knows the event's type at every step: try `order.totl` in an editor.
 *
 *     sluice run examples/typescript/pipeline.ts
 */
import { file, generate, pipeline } from 'sluice'
import { OrderSchema } from './order.ts'
import type { Order } from './order.ts'

interface Country {
  readonly name: string
  /** Percent. */
  readonly tax: number
}
const COUNTRIES: ReadonlyMap<string, Country> = new Map([
  ['de', { name: 'Germany', tax: 19 }],
  ['fr', { name: 'France', tax: 20 }],
  ['in', { name: 'India', tax: 18 }],
  ['jp', { name: 'Japan', tax: 10 }],
])

function net({ items }: Order): number {
  return items.reduce((sum, { count, price }) => sum + count * price, 0)
}
const cents = (value: number): number => Math.round(value * 100) / 100

const orders = pipeline('orders')
  .from(generate({ shape: 'order', count: 5000, bad: 0.02, seed: 3, schema: OrderSchema }), { id: 'shop' })
  .map(order => ({ id: order.id, customer: order.customer, country: order.country, pieces: order.items.length, net: cents(net(order)) }))
  .enrich(COUNTRIES, order => order.country, (order, country) => ({ ...order, country: country?.name ?? 'elsewhere', gross: cents(order.net * (1 + (country?.tax ?? 0) / 100)) }))

const { large, rest } = orders.route({ large: order => order.gross >= 500 })

large.to(file({ path: 'out/large.ndjson' }), { id: 'large' })
rest
  .filter(order => order.country !== 'elsewhere')
  .map(({ id, country, gross }) => ({ id, country, gross }))
  .to(file({ path: 'out/small.ndjson' }), { id: 'small' })

export default orders.deadLetters(file({ path: 'out/failed.ndjson' }))
