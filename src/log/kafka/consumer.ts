/** Reads partitions that the caller chose. Positions live in memory only. */
import { within } from '../embedded/calls.ts'
import type { Call, Consumer, ConsumerOptions, Fetched, Start, TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { Fetcher } from './fetcher.ts'
import type { FetchOptions } from './fetcher.ts'
import { resolveStarts } from './offsets.ts'

export class KafkaConsumer implements Consumer {
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  readonly #onClose: (consumer: KafkaConsumer) => void

  constructor(cluster: Cluster, { isolation, maxBytes }: ConsumerOptions, onClose: (consumer: KafkaConsumer) => void) {
    this.#cluster = cluster
    this.#fetcher = new Fetcher(cluster, isolation, maxBytes)
    this.#onClose = onClose
  }

  async assign(partitions: readonly (TopicPartition & { readonly start?: Start | undefined })[], call?: Call): Promise<void> {
    const fetcher = this.#fetcher
    fetcher.checkOpen()
    await within(this.#cluster.clock, call, 'The assignment', async () => {
      // All places are found before anything changes.
      const moving = partitions.flatMap(({ topic, partition, start }) => (start === undefined && fetcher.find({ topic, partition }) !== undefined ? [] : [{ topic, partition, start: start ?? ('earliest' as const) }]))
      const positions = await resolveStarts(this.#cluster, moving, fetcher.isolation, call)
      const ids = await Promise.all(moving.map(({ topic }) => this.#cluster.topic(topic)))
      const wanted = new Set(partitions.map(({ topic, partition }) => `${topic} ${partition}`))
      for (const cursor of fetcher.cursors) if (!wanted.has(`${cursor.topic} ${cursor.partition}`)) fetcher.remove(cursor)
      for (const [index, place] of moving.entries()) {
        fetcher.remove(place)
        fetcher.add(place, ids[index]?.id ?? '', positions[index])
      }
    })
  }

  get assigned(): readonly TopicPartition[] {
    return this.#fetcher.assigned
  }

  position(partition: TopicPartition): bigint | undefined {
    return this.#fetcher.find(partition)?.position
  }

  seek(partition: TopicPartition, start: Start, call?: Call): Promise<void> {
    return seek(this.#cluster, this.#fetcher, partition, start, call)
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

  giveBack(bytes: Uint8Array): void {
    this.#fetcher.giveBack(bytes)
  }

  async close(): Promise<void> {
    await this.#fetcher.close()
    this.#onClose(this)
  }
}

export async function seek(cluster: Cluster, fetcher: Fetcher, partition: TopicPartition, start: Start, call: Call | undefined): Promise<void> {
  fetcher.checkOpen()
  const cursor = fetcher.cursor(partition)
  const { turn } = cursor
  const [position] = await resolveStarts(cluster, [{ ...partition, start }], fetcher.isolation, call)
  // Not where it was taken away meanwhile.
  if (fetcher.find(partition) === cursor && (cursor.turn === turn || !cursor.isRevoked)) fetcher.moveTo(cursor, position)
}
