/** What the producers and consumers of one embedded log share. */
import type { Clock } from '../../platform/index.ts'
import type { Catalog } from './catalog.ts'
import type { Groups } from './groups.ts'
import type { OffsetStore } from './offset-store.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { Transactions } from './transactions.ts'

export interface EmbeddedParts {
  readonly clock: Clock
  /** At least 0, below 1. */
  readonly random: () => number
  readonly catalog: Catalog
  readonly ids: ProducerIds
  readonly offsets: OffsetStore
  readonly transactions: Transactions
  readonly groups: Groups
  readonly warn: (message: string) => void
}
