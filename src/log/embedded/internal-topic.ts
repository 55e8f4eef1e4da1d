/**
 * A topic that the log keeps for itself: one compacted partition of keys and values, made when it is first written, read as a whole when the log opens.
 *
 * Transactional batches count when the marker of their producer comes by, as for every committed reader.
 */
import type { Clock } from '../../platform/index.ts'
import { BatchWriter, RecordCursor, decodeControl, isTransactional, producerIdOf, recordAt } from '../batch/index.ts'
import { batchesIn } from './batches-in.ts'
import { Serial } from './calls.ts'
import type { Catalog, Partition } from './catalog.ts'

const READ_BYTES = 1 << 20
/** Commits of many partitions at once are one batch, so that they are kept or lost together. */
const BATCH_BYTES_MAX = 64 * 2 ** 20

export interface Entry {
  readonly key: Uint8Array
  /** Null takes the key away. */
  readonly value: Uint8Array | null
}

/** What a replay meets, in order. */
export interface ReplayVisitor {
  entry(entry: Entry, producerId: bigint | undefined): void
  /** The end of a transaction: its entries count from here, or not at all. */
  end(producerId: bigint, commit: boolean): void
}

export class InternalTopic {
  readonly name: string
  readonly #catalog: Catalog
  readonly #clock: Clock
  readonly #making = new Serial()

  constructor(name: string, catalog: Catalog, clock: Clock) {
    this.name = name
    this.#catalog = catalog
    this.#clock = clock
  }

  /** The partition, if the topic was ever written. */
  get existing(): Partition | undefined {
    return this.#catalog.find(this.name)?.partitions[0]
  }

  async partition(): Promise<Partition> {
    const { existing } = this
    if (existing !== undefined) return existing
    return this.#making.run(async () => {
      if (this.existing === undefined) {
        await this.#catalog.create([{ name: this.name, partitions: 1, settings: { cleanup: 'compact', retentionMs: -1, segmentBytes: 64 * 2 ** 20, maxBatchBytes: BATCH_BYTES_MAX } }])
      }
      return this.#catalog.partition({ topic: this.name, partition: 0 })
    })
  }

  /** Appends entries as one batch; resolves when they are durable. */
  async append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return
    const { storage } = this.existing ?? (await this.partition())
    await storage.append(this.batch(entries))
  }

  /** The batch of some entries, not yet signed. */
  batch(entries: readonly Entry[]): Uint8Array {
    const writer = new BatchWriter({ bytes: 512 })
    const now = this.#clock.now()
    for (const { key, value } of entries) writer.add(key, value, undefined, now)
    return writer.finish()
  }

  /** Reads everything that was written. */
  async replay(visitor: ReplayVisitor): Promise<void> {
    const { existing } = this
    if (existing === undefined) return
    const { storage } = existing
    const cursor = new RecordCursor()
    for (let from = storage.start; from < storage.end; ) {
      const { bytes, next } = await storage.read(from, READ_BYTES, storage.end)
      for (const { at, end } of batchesIn(bytes)) {
        const producerId = isTransactional(bytes, at) ? producerIdOf(bytes, at) : undefined
        for (cursor.open(bytes, at, end); cursor.next(); ) {
          const control = cursor.control ? decodeControl(cursor) : undefined
          if (!cursor.control) visitor.entry(entryOf(cursor), producerId)
          else if (control !== undefined && producerId !== undefined) visitor.end(producerId, control.commit)
        }
      }
      if (next <= from) break
      from = next
    }
  }
}

function entryOf(cursor: RecordCursor): Entry {
  const { key, value } = recordAt(cursor)
  // Copies: what was read is a large array that nothing else should keep.
  return { key: new Uint8Array(key ?? []), value: value === null ? null : new Uint8Array(value) }
}
