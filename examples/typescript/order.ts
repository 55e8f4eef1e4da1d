/** What an order is: the type for the compiler, and the check for what comes in. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

export interface Order {
  readonly id: string
  readonly customer: string
  readonly country: string
  readonly items: readonly { readonly sku: string; readonly count: number; readonly price: number }[]
}

function isOrder(value: unknown): value is Order {
  if (typeof value !== 'object' || value === null) return false
  const { id, customer, country, items } = value as Record<string, unknown> // Any object has string keys.
  return [id, customer, country].every(one => typeof one === 'string') && Array.isArray(items) && items.length > 0
}

/** A validator of the Standard Schema, written by hand; one of Zod, Valibot or ArkType stands here just as well. */
export const OrderSchema: StandardSchemaV1<unknown, Order> = {
  '~standard': {
    version: 1,
    vendor: 'example',
    validate: value => (isOrder(value) ? { value } : { issues: [{ message: 'An order needs id, customer, country and items' }] }),
  },
}
