/** Reads partitions that the caller chose. Positions live in memory only. */
import type { Call, Consumer, ConsumerOptions, Fetched, Start, TopicPartition } from '../log.ts'
import { within } from './calls.ts'
import { Fetcher } from './fetcher.ts'
import type { FetchOptions } from './fetcher.ts'
import type { EmbeddedParts } from './parts.ts'
import { partitionKey } from './offset-store.ts'

export class EmbeddedConsumer implements Consumer {
  readonly #parts: EmbeddedParts
  readonly #fetcher: Fetcher
  readonly #onClose: (consumer: EmbeddedConsumer) => void

  constructor(parts: EmbeddedParts, options: ConsumerOptions, onClose: (consumer: EmbeddedConsumer) => void) {
    this.#parts = parts
    this.#fetcher = new Fetcher(parts.clock, options.isolation, options.maxBytes)
    this.#onClose = onClose
  }

  async assign(partitions: readonly (TopicPartition & { readonly start?: Start | undefined })[], call?: Call): Promise<void> {
    const fetcher = this.#fetcher
    fetcher.checkOpen()
    await within(this.#parts.clock, call, 'The assignment', async () => {
      // All places are found before anything changes.
      const placed = await Promise.all(partitions.map(async ({ topic, partition, start }) => {
        const found = this.#parts.catalog.partition({ topic, partition })
        const before = fetcher.find(found)
        const stays = start === undefined && before !== undefined && before.partition === found
        return { found, position: stays ? undefined : await fetcher.resolve(found, start ?? 'earliest') }
      }))
      const wanted = new Set(placed.map(({ found }) => partitionKey(found)))
      for (const { partition } of fetcher.cursors) if (!wanted.has(partitionKey(partition))) fetcher.remove(partition)
      for (const { found, position } of placed) {
        if (position === undefined) continue
        fetcher.remove(found)
        fetcher.add(found, position)
      }
    })
  }

  get assigned(): readonly TopicPartition[] {
    return this.#fetcher.cursors.map(({ partition: { topic, partition } }) => ({ topic, partition }))
  }

  position(partition: TopicPartition): bigint | undefined {
    return this.#fetcher.find(partition)?.position
  }

  async seek(partition: TopicPartition, start: Start, call?: Call): Promise<void> {
    const fetcher = this.#fetcher
    fetcher.checkOpen()
    await within(this.#parts.clock, call, 'The seek', async () => {
      const cursor = fetcher.cursor(partition)
      fetcher.moveTo(cursor, await fetcher.resolve(cursor.partition, start))
    })
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions, false)
  }

  fetch(options?: FetchOptions): Promise<Fetched[]> {
    return this.#fetcher.fetch(options)
  }

  close(): Promise<void> {
    this.#fetcher.close()
    this.#onClose(this)
    return Promise.resolve()
  }
}
