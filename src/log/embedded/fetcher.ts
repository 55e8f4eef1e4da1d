/**
 * Reads from several partitions: at once what there is, else it waits for the first of them to grow.
 *
 * Fair: every answer begins behind the partition that was served last, so one that always has more does not keep others waiting. The bytes of an answer are
 * bounded over all partitions. Positions move only when an answer is handed out.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { Call, Fetched, Isolation, Start, TopicPartition } from '../log.ts'
import { visibleBatches } from './batches-in.ts'
import { TIMEOUT_DEFAULT, deadlineOf, throwIfAborted, within } from './calls.ts'
import type { Partition } from './catalog.ts'
import { partitionKey } from './offset-store.ts'

const WAIT_DEFAULT = 500

export interface Cursor {
  readonly partition: Partition
  /** Undefined while it is being found out. */
  position: bigint | undefined
  isPaused: boolean
  /** True while it is given back: the position stays known, nothing more is read. */
  isRevoked: boolean
  /** Counts up with each seek, so that what was read before is not handed out after. */
  turn: number
  /** The partition's end when nothing was found to read; what came since may be read now. */
  seenEnd: bigint
  /** Why there is no position, to be told at the next fetch. */
  failure: unknown
}

interface Found {
  readonly fetched: Fetched
  readonly cursor: Cursor
  readonly turn: number
}

export interface FetchOptions extends Call {
  readonly wait?: number | undefined
}

export class Fetcher {
  readonly #clock: Clock
  readonly #isolation: Isolation
  readonly #maxBytes: number
  readonly #cursors = new Map<string, Cursor>()
  #next = 0
  #wake: () => void = () => undefined
  #isFetching = false
  #isClosed = false

  constructor(clock: Clock, isolation: Isolation = 'read_committed', maxBytes = 1 << 20) {
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) throw new SluiceError('LOG_SETTING', `maxBytes: ${maxBytes} is not possible: 1 or more.`)
    this.#clock = clock
    this.#isolation = isolation
    this.#maxBytes = maxBytes
  }

  get cursors(): Cursor[] {
    return [...this.#cursors.values()]
  }

  get isFetching(): boolean {
    return this.#isFetching
  }

  find(partition: TopicPartition): Cursor | undefined {
    return this.#cursors.get(partitionKey(partition))
  }

  /** Throws LOG_UNKNOWN_TOPIC for a partition that is not assigned. */
  cursor(partition: TopicPartition): Cursor {
    const cursor = this.find(partition)
    if (cursor !== undefined) return cursor
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `"${partition.topic}" partition ${partition.partition} is not assigned to this consumer.`)
  }

  add(partition: Partition, position: bigint | undefined): Cursor {
    const cursor: Cursor = { partition, position, isPaused: false, isRevoked: false, turn: 0, seenEnd: -1n, failure: undefined }
    this.#cursors.set(partitionKey(partition), cursor)
    this.wake()
    return cursor
  }

  remove(partition: TopicPartition): void {
    const cursor = this.find(partition)
    if (cursor !== undefined) cursor.turn++
    this.#cursors.delete(partitionKey(partition))
    this.wake()
  }

  /** Reads nothing more from a partition, also nothing that is on its way. */
  revoke(cursor: Cursor): void {
    cursor.isRevoked = true
    cursor.turn++
  }

  moveTo(cursor: Cursor, position: bigint | undefined): void {
    cursor.position = position
    cursor.failure = undefined
    cursor.seenEnd = -1n
    cursor.turn++
    this.wake()
  }

  pause(partitions: readonly TopicPartition[], isPaused: boolean): void {
    for (const cursor of partitions.map(partition => this.cursor(partition))) {
      cursor.isPaused = isPaused
      cursor.seenEnd = -1n
    }
    this.wake()
  }

  /** Something changed that a waiting fetch should look at. */
  wake(): void {
    this.#wake()
  }

  close(): void {
    this.#isClosed = true
    for (const { partition } of this.cursors) this.remove(partition)
    this.wake()
  }

  checkOpen(): void {
    if (this.#isClosed) throw new SluiceError('LOG_CLOSED', 'The consumer is closed.')
  }

  /** The offset that a start means in a partition; LOG_OFFSET_OUT_OF_RANGE for one that is not there. */
  async resolve(partition: Partition, start: Start): Promise<bigint> {
    const { storage } = partition.check()
    if (start === 'earliest') return storage.start
    if (start === 'latest') return this.#until(partition)
    if (typeof start === 'object') return (await storage.offsetAt(start.time)) ?? this.#until(partition)
    checkRange(partition, start)
    return start
  }

  async fetch({ wait = WAIT_DEFAULT, ...call }: FetchOptions = {}): Promise<Fetched[]> {
    this.checkOpen()
    throwIfAborted(call)
    if (this.#isFetching) throw new SluiceError('LOG_UNSUPPORTED', 'A fetch of this consumer is under way: one at a time.')
    this.#isFetching = true
    try {
      // Waiting for as long as one was told to is no delay.
      const deadline = deadlineOf(this.#clock, { timeout: call.timeout ?? wait + TIMEOUT_DEFAULT })
      const until = this.#clock.monotonic() + wait
      for (;;) {
        const left = (): Call => ({ signal: call.signal, timeout: Math.max(0, deadline - this.#clock.monotonic()) })
        const found = this.#handOut(await within(this.#clock, left(), 'The fetch', () => this.#read()))
        if (found.length > 0) return found
        this.checkOpen()
        const waiting = until - this.#clock.monotonic()
        if (waiting <= 0) return []
        await within(this.#clock, left(), 'The fetch', () => this.#growth(waiting))
      }
    } finally {
      this.#isFetching = false
      // A wait that was given up ends as well.
      this.wake()
    }
  }

  /** Moves the positions, here and nowhere before: what a call that was given up had read is read again. */
  #handOut(found: readonly Found[]): Fetched[] {
    // What was sought elsewhere, paused or taken away meanwhile is not handed out.
    const valid = found.filter(({ cursor, turn }) => cursor.turn === turn && !cursor.isPaused)
    for (const { cursor, fetched } of valid) cursor.position = fetched.next
    return valid.map(({ fetched }) => fetched)
  }

  #until({ storage }: Partition): bigint {
    return this.#isolation === 'read_committed' ? storage.stable : storage.end
  }

  async #read(): Promise<Found[]> {
    const cursors = this.cursors
    const found: Found[] = []
    let left = this.#maxBytes
    let last = -1
    for (let step = 0; step < cursors.length && left > 0; step++) {
      const index = (this.#next + step) % cursors.length
      const cursor = cursors[index]
      if (cursor === undefined || cursor.isPaused || cursor.isRevoked) continue
      const { turn } = cursor
      const fetched = await this.#readOne(cursor, left, found.length === 0)
      if (fetched === undefined) continue
      found.push({ fetched, cursor, turn })
      left -= fetched.bytes.length
      last = index
    }
    if (last >= 0) this.#next = (last + 1) % cursors.length
    return found
  }

  /** Reads on until something can be seen; what can't be seen moves the position all the same. */
  async #readOne(cursor: Cursor, maxBytes: number, isFirst: boolean): Promise<Fetched | undefined> {
    const { partition, turn } = cursor
    if (cursor.failure !== undefined) throw cursor.failure
    while (cursor.position !== undefined && cursor.turn === turn) {
      const from = cursor.position
      const { storage } = partition.check()
      checkRange(partition, from)
      const until = this.#until(partition)
      cursor.seenEnd = storage.end
      if (from >= until) return undefined
      const read = await storage.read(from, maxBytes, until).catch((error: unknown) => {
        // A topic that is deleted while it is read from ends the read somehow.
        if (cursor.turn !== turn) return undefined
        partition.check()
        throw error
      })
      if (read === undefined || read.next <= from) return undefined
      const bytes = visibleBatches(read.bytes, this.#isolation === 'read_committed' ? read.aborted : [])
      if (cursor.turn !== turn || cursor.position !== from) return undefined
      if (bytes.length === 0) {
        cursor.position = read.next
        continue
      }
      // One batch may be larger than what is left; it waits for an answer of its own.
      if (!isFirst && bytes.length > maxBytes) return undefined
      return { topic: partition.topic, partition: partition.partition, bytes, from, next: read.next, end: this.#until(partition) }
    }
    return undefined
  }

  /** Resolves when a partition grew, something else changed, or the time is over. */
  async #growth(ms: number): Promise<void> {
    const over = new AbortController()
    const end = (): void => over.abort()
    const cancels: (() => void)[] = []
    this.#wake = end
    if (this.#isClosed) end()
    for (const { partition, position, isPaused, isRevoked, seenEnd, failure } of this.#cursors.values()) {
      if (failure !== undefined) end()
      if (isPaused || isRevoked || position === undefined || partition.gone) continue
      // What a committed reader waits for is a marker, and that moves the end as well.
      if (partition.storage.end > seenEnd) end()
      else cancels.push(partition.storage.onEnd(seenEnd, end))
    }
    try {
      // A sleep, not a timer: whoever waits for records wants the process to live.
      await this.#clock.sleep(ms, over.signal)
    } catch (error) {
      if (!over.signal.aborted) throw error
    } finally {
      this.#wake = () => undefined
      for (const cancel of cancels) cancel()
    }
  }
}

/** Throws LOG_OFFSET_OUT_OF_RANGE for a place that a partition does not have. */
export function checkRange({ topic, partition, storage }: Partition, offset: bigint): void {
  if (offset >= storage.start && offset <= storage.end) return
  throw new SluiceError('LOG_OFFSET_OUT_OF_RANGE', `"${topic}" partition ${partition} holds the offsets ${storage.start} to ${storage.end}, not ${offset}.`)
}
