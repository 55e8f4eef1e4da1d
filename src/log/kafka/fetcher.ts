/**
 * Reads from several partitions, over the brokers that lead them: at once what there is, else it waits.
 *
 * One request at a time per broker, on connections of its own, since a broker that waits for records answers nothing else on them. A request waits half a second
 * at most, so that partitions that come in between (assigned, resumed) wait no longer. Where an answer was well filled the next one is asked for before anybody
 * wants it. What came and was not yet handed out is bounded: it is asked for more only when there is less than an answer's worth.
 *
 * Positions move only when an answer is handed out, so what a call that was given up had waited for comes with the next call.
 */
import { SluiceError } from '../../base/index.ts'
import { TIMEOUT_DEFAULT, throwIfAborted, within } from '../embedded/calls.ts'
import type { Call, Fetched, Isolation, TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { AnswerMemory } from './answer-memory.ts'
import { BROKER, brokerError, mayRetry } from './errors.ts'
import { FETCH, fetchRequest } from './fetch.ts'
import type { FetchedPart } from './fetch.ts'
import type { Links } from './links.ts'
import { visibleIn } from './visible.ts'

const WAIT_DEFAULT = 500
/** Milliseconds that a broker waits at most. */
const BROKER_WAIT = 500
const PAUSE = 50
/** Why waits end that are no longer waited for: without one, each makes an error with a stack of its own. */
const OVER = 'over'
/** Milliseconds of trouble before a fetch that found nothing tells of it. */
const TROUBLE_MAX = 5000

export interface Cursor extends TopicPartition {
  topicId: string
  /** Undefined while it is being found out. */
  position: bigint | undefined
  isPaused: boolean
  /** True while it is given back: the position stays known, nothing more is read. */
  isRevoked: boolean
  /** Counts up with each seek, so that what was asked for before is not handed out after. */
  turn: number
  /** A request for it is under way. */
  isAsked: boolean
  ready: Fetched | undefined
  /** Why nothing can be read, to be told at the next fetch. */
  failure: unknown
}

export interface FetchOptions extends Call {
  readonly wait?: number | undefined
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`

export class Fetcher {
  readonly #cluster: Cluster
  readonly #links: Links
  readonly isolation: Isolation
  readonly #maxBytes: number
  readonly #memory = new AnswerMemory()
  readonly #cursors = new Map<string, Cursor>()
  /** Requests, and other things worth waiting for. */
  readonly #underWay = new Set<Promise<void>>()
  readonly #busy = new Set<number>()
  #next = 0
  #wake: () => void = () => undefined
  #isFetching = false
  #isClosed = false
  #isPausing = false
  #trouble: { readonly error: unknown; readonly since: number } | undefined

  constructor(cluster: Cluster, isolation: Isolation = 'read_committed', maxBytes = 1 << 20) {
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes >= 2 ** 31) throw new SluiceError('LOG_SETTING', `maxBytes: ${maxBytes} is not possible: 1 to ${2 ** 31 - 1}.`)
    this.#cluster = cluster
    this.#links = cluster.links({ inFlight: 1 })
    this.isolation = isolation
    this.#maxBytes = maxBytes
  }

  get cursors(): Cursor[] {
    return [...this.#cursors.values()]
  }

  get assigned(): TopicPartition[] {
    return this.cursors.map(({ topic, partition }) => ({ topic, partition }))
  }

  find(partition: TopicPartition): Cursor | undefined {
    return this.#cursors.get(keyOf(partition))
  }

  /** Throws LOG_UNKNOWN_TOPIC for a partition that is not assigned. */
  cursor(partition: TopicPartition): Cursor {
    const cursor = this.find(partition)
    if (cursor !== undefined) return cursor
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `"${partition.topic}" partition ${partition.partition} is not assigned to this consumer.`)
  }

  add({ topic, partition }: TopicPartition, topicId: string, position: bigint | undefined): Cursor {
    const cursor: Cursor = { topic, partition, topicId, position, isPaused: false, isRevoked: false, turn: 0, isAsked: false, ready: undefined, failure: undefined }
    this.#cursors.set(keyOf(cursor), cursor)
    this.wake()
    return cursor
  }

  remove(partition: TopicPartition): void {
    const cursor = this.find(partition)
    if (cursor === undefined) return
    cursor.turn++
    this.#cursors.delete(keyOf(cursor))
    this.wake()
  }

  /** Reads nothing more from a partition, also nothing that is on its way. */
  revoke(cursor: Cursor): void {
    cursor.isRevoked = true
    cursor.ready = undefined
    cursor.turn++
  }

  moveTo(cursor: Cursor, position: bigint | undefined): void {
    cursor.position = position
    cursor.ready = undefined
    cursor.failure = undefined
    cursor.turn++
    this.wake()
  }

  pause(partitions: readonly TopicPartition[], isPaused: boolean): void {
    for (const cursor of partitions.map(partition => this.cursor(partition))) cursor.isPaused = isPaused
    this.wake()
  }

  giveBack(bytes: Uint8Array): void {
    this.#memory.giveBack(bytes)
  }

  /** Something changed that a waiting fetch should look at. */
  wake(): void {
    this.#wake()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const cursor of this.cursors) this.remove(cursor)
    this.wake()
    await this.#links.close()
  }

  checkOpen(): void {
    if (this.#isClosed) throw new SluiceError('LOG_CLOSED', 'The consumer is closed.')
  }

  async fetch({ wait = WAIT_DEFAULT, ...call }: FetchOptions = {}): Promise<Fetched[]> {
    this.checkOpen()
    throwIfAborted(call)
    if (this.#isFetching) throw new SluiceError('LOG_UNSUPPORTED', 'A fetch of this consumer is under way: one at a time.')
    this.#isFetching = true
    const over = new AbortController()
    try {
      // Waiting for as long as one was told to is no delay.
      return await within(this.#cluster.clock, { signal: call.signal, timeout: call.timeout ?? wait + TIMEOUT_DEFAULT }, 'The fetch', () => this.#fetch(wait, over.signal))
    } finally {
      over.abort(OVER)
      this.#isFetching = false
      this.wake()
    }
  }

  async #fetch(wait: number, over: AbortSignal): Promise<Fetched[]> {
    const { clock } = this.#cluster
    const until = clock.monotonic() + wait
    for (let hasAsked = false; ; hasAsked = true) {
      // Nothing is handed to a caller who gave up: it would be lost.
      throwIfAborted({ signal: over })
      this.checkOpen()
      const found = this.#handOut()
      if (found.length > 0) return found
      const left = until - clock.monotonic()
      if (left <= 0 && hasAsked) {
        if (this.#trouble !== undefined && clock.monotonic() - this.#trouble.since > TROUBLE_MAX) throw this.#trouble.error
        return []
      }
      this.#ask(Math.max(0, left))
      if (left <= 0) await Promise.all(this.#underWay)
      else await this.#change(left)
    }
  }

  /** Moves the positions, here and nowhere before. Fair: every answer begins behind the partition that was served last. */
  #handOut(): Fetched[] {
    const cursors = this.cursors
    const found: Fetched[] = []
    let left = this.#maxBytes
    let last = -1
    for (let step = 0; step < cursors.length; step++) {
      const index = (this.#next + step) % cursors.length
      const cursor = cursors[index]
      if (cursor === undefined || cursor.isPaused || cursor.isRevoked) continue
      if (cursor.failure !== undefined && found.length === 0) throw cursor.failure
      const { ready } = cursor
      if (ready === undefined || (found.length > 0 && ready.bytes.length > left)) continue
      cursor.ready = undefined
      cursor.position = ready.next
      found.push(ready)
      left -= ready.bytes.length
      last = index
    }
    if (last >= 0) this.#next = (last + 1) % cursors.length
    if (found.length > 0 && left < this.#maxBytes / 2) this.#ask(0)
    return found
  }

  /** Asks every broker that is not being asked for what is wanted and not there. */
  #ask(wait: number): void {
    if (this.#isPausing || this.#isClosed) return
    const byLeader = new Map<number, Cursor[]>()
    const lost: Cursor[] = []
    let waiting = 0
    const cursors = this.cursors
    for (let step = 0; step < cursors.length; step++) {
      const cursor = cursors[(this.#next + step) % cursors.length]
      if (cursor === undefined || cursor.isPaused || cursor.isRevoked || cursor.position === undefined || cursor.failure !== undefined) continue
      waiting += cursor.ready?.bytes.length ?? 0
      if (cursor.ready !== undefined || cursor.isAsked) continue
      const leader = this.#cluster.known(cursor.topic)?.leaders[cursor.partition] ?? -1
      const list = byLeader.get(leader)
      if (leader === -1) lost.push(cursor)
      else if (list === undefined) byLeader.set(leader, [cursor])
      else list.push(cursor)
    }
    if (waiting >= this.#maxBytes) return
    if (lost.length > 0) this.#track(this.#locate(lost))
    for (const [leader, wanted] of byLeader) if (!this.#busy.has(leader)) this.#track(this.#askOne(leader, wanted, wait))
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work)
    void work.finally(() => this.#underWay.delete(work))
  }

  async #askOne(leader: number, cursors: readonly Cursor[], wait: number): Promise<void> {
    this.#busy.add(leader)
    const asked = cursors.map(cursor => ({ cursor, turn: cursor.turn, offset: cursor.position ?? 0n }))
    for (const { cursor } of asked) cursor.isAsked = true
    try {
      const link = this.#cluster.link(leader, this.#links)
      const version = await link.versionOf(FETCH.key, FETCH.least, FETCH.most)
      if (version === undefined) throw new SluiceError('LOG_UNSUPPORTED', `The broker does not know the versions ${FETCH.least} to ${FETCH.most} of Fetch: Kafka 2.8 or newer is needed.`)
      const open = await link.ready(FETCH.key, version)
      const needs = { isolation: this.isolation, wait: Math.min(BROKER_WAIT, Math.floor(wait)), maxBytes: this.#maxBytes, take: (length: number) => this.#memory.take(length) }
      const parts = await link.send(open, fetchRequest(version, needs, asked.map(({ cursor: { topic, topicId, partition }, offset }) => ({ topic, topicId, partition, offset }))))
      this.#trouble = undefined
      for (const part of parts) {
        if (part.partition === -1) throw brokerError(part.error, 'The fetch')
        const entry = asked.find(({ cursor }) => cursor.partition === part.partition && (version >= 13 ? cursor.topicId : cursor.topic) === part.topic)
        if (entry !== undefined && entry.cursor.turn === entry.turn) this.#take(entry.cursor, entry.offset, part)
      }
    } catch (error) {
      this.#fail(cursors, error)
    } finally {
      this.#busy.delete(leader)
      for (const { cursor } of asked) cursor.isAsked = false
    }
  }

  #take(cursor: Cursor, offset: bigint, part: FetchedPart): void {
    const { topic, partition } = cursor
    if (part.error !== BROKER.NONE) return this.#refused(cursor, offset, part.error)
    const isCommitted = this.isolation === 'read_committed'
    try {
      const { bytes, next } = visibleIn(part.bytes, offset, isCommitted ? part.aborted : [], cursor)
      const end = isCommitted && part.lastStable >= 0n ? part.lastStable : part.highWatermark
      if (bytes.length > 0) cursor.ready = { topic, partition, bytes, from: offset, next, end }
      // What can't be seen moves the position all the same.
      else if (next > offset) cursor.position = next
    } catch (error) {
      cursor.failure = error
    }
  }

  #refused(cursor: Cursor, offset: bigint, error: number): void {
    const what = `"${cursor.topic}" partition ${cursor.partition}`
    if (error === BROKER.OFFSET_OUT_OF_RANGE) cursor.failure = brokerError(error, `${what}, offset ${offset}`)
    else if (error === BROKER.UNKNOWN_TOPIC_OR_PARTITION || error === BROKER.UNKNOWN_TOPIC_ID || error === BROKER.INCONSISTENT_TOPIC_ID) this.#lose(cursor, brokerError(BROKER.NOT_LEADER, what))
    else {
      const failure = brokerError(error, what)
      if (mayRetry(failure)) this.#lose(cursor, failure)
      else cursor.failure = failure
    }
  }

  /** The broker is not the one to ask. */
  #lose(cursor: Cursor, error: SluiceError): void {
    this.#cluster.forget(cursor.topic)
    this.#fail([cursor], error)
  }

  #fail(cursors: readonly Cursor[], error: unknown): void {
    if (this.#isClosed) return
    if (!mayRetry(error)) {
      for (const cursor of cursors) cursor.failure = error
      return
    }
    for (const { topic } of cursors) this.#cluster.forget(topic)
    this.#trouble ??= { error, since: this.#cluster.clock.monotonic() }
    if (this.#isPausing) return
    this.#isPausing = true
    this.#track(this.#cluster.clock.sleep(PAUSE).then(() => {
      this.#isPausing = false
    }))
  }

  /** Looks where partitions are. */
  async #locate(cursors: readonly Cursor[]): Promise<void> {
    for (const cursor of cursors) cursor.isAsked = true
    try {
      for (const cursor of cursors) {
        await this.#cluster.leaderOf(cursor).catch((error: unknown) => {
          // That a topic is not there is the failure of one partition, and no trouble of all.
          if (mayRetry(error)) throw error
          cursor.failure = error
        })
        const id = this.#cluster.known(cursor.topic)?.id
        if (id !== undefined && id !== cursor.topicId) {
          cursor.failure = new SluiceError('LOG_UNKNOWN_TOPIC', `The topic "${cursor.topic}" was deleted, and made anew since: its offsets begin anew. Seek to where reading shall go on.`)
          cursor.topicId = id
        }
      }
    } catch (error) {
      this.#fail(cursors, error)
    } finally {
      for (const cursor of cursors) cursor.isAsked = false
    }
  }

  /** Resolves when something came, something changed, or the time is over. */
  async #change(ms: number): Promise<void> {
    const over = new AbortController()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const slept = this.#cluster.clock.sleep(ms, over.signal).catch(() => undefined)
    try {
      await Promise.race([promise, slept, ...this.#underWay])
    } finally {
      this.#wake = () => undefined
      over.abort(OVER)
    }
  }
}
