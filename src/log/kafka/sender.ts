/**
 * Sends the batches of one producer to one broker: in a request one batch of each partition that has one ready, several requests at a time.
 *
 * Order: a request is written to the connection in the very step in which its batches are taken, so the requests of a partition leave in the order of its
 * batches. Where the connection must be made first, nothing is taken before it stands.
 */
import { SluiceError } from '../../base/index.ts'
import { BROKER, brokerError } from './errors.ts'
import type { Bundle, Lane } from './lane.ts'
import type { Link } from './link.ts'
import { PRODUCE, produceRequest } from './produce.ts'
import type { Produced } from './produce.ts'

/** Requests under way at a time: what a connection of the client is made for. */
export const REQUESTS_MAX = 5
/** Bytes of a request at most, unless a single batch is larger. */
const REQUEST_BYTES = 1 << 20
/** Part of the time for a request in which the broker must have its replicas: it shall say that it has not before it is given up. */
const REPLICAS_TIMEOUT = 0.8
/** The batch may well be written, though too few replicas have it: the same batch goes again, and is dropped if it is there. */
const MAYBE_WRITTEN: ReadonlySet<number> = new Set([7, 13, 20])

interface Part {
  readonly lane: Lane
  readonly bundle: Bundle
  readonly batch: Uint8Array
}

export class Sender {
  readonly #link: Link
  readonly #transactionalId: string | undefined
  readonly #lanes = new Set<Lane>()
  readonly #replicasTimeout: number
  #version = 0
  #requests = 0
  #isScheduled = false
  #isConnecting = false

  constructor(link: Link, transactionalId: string | undefined, requestTimeout: number) {
    this.#link = link
    this.#replicasTimeout = Math.ceil(requestTimeout * REPLICAS_TIMEOUT)
    this.#transactionalId = transactionalId
  }

  /** The lane may have something to send. Lanes that are offered in one step share requests. */
  offer(lane: Lane): void {
    this.#lanes.add(lane)
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#requests < REQUESTS_MAX && this.#lanes.size > 0) {
      const open = this.#link.current
      if (open === undefined || this.#version === 0) return void this.#connect()
      const parts = this.#gather()
      if (parts.length === 0) return
      this.#requests++
      const batches = parts.map(({ lane: { topic, partition }, batch }) => ({ topic, partition, batch }))
      this.#link.send(open, produceRequest(this.#version, this.#transactionalId, this.#replicasTimeout, batches)).then(
        answers => this.#answered(parts, answers),
        (error: unknown) => this.#lost(parts, error),
      )
    }
  }

  #gather(): Part[] {
    const parts: Part[] = []
    let left = REQUEST_BYTES
    for (const lane of [...this.#lanes]) {
      const bundle = lane.take(parts.length === 0 ? Number.POSITIVE_INFINITY : left)
      if (bundle === 'later') continue
      // Whoever has nothing now is offered again when that changes; the others go to the end of the row.
      this.#lanes.delete(lane)
      if (bundle?.batch === undefined) continue
      this.#lanes.add(lane)
      parts.push({ lane, bundle, batch: bundle.batch })
      left -= bundle.batch.length
    }
    return parts
  }

  async #connect(): Promise<void> {
    if (this.#isConnecting) return
    this.#isConnecting = true
    try {
      const version = await this.#link.versionOf(PRODUCE.key, PRODUCE.least, PRODUCE.most)
      if (version === undefined) throw new SluiceError('LOG_UNSUPPORTED', `The broker does not know the versions ${PRODUCE.least} to ${PRODUCE.most} of Produce: Kafka 2.8 or newer is needed.`)
      this.#version = version
      this.#isConnecting = false
      this.#pump()
    } catch (error) {
      this.#isConnecting = false
      const lanes = [...this.#lanes]
      this.#lanes.clear()
      for (const lane of lanes) lane.unreachable(asError(error))
    }
  }

  #answered(parts: readonly Part[], answers: readonly Produced[]): void {
    this.#requests--
    for (const { lane, bundle } of parts) {
      const answer = answers.find(({ topic, partition }) => partition === lane.partition && topic === lane.topic)
      const what = `Writing to "${lane.topic}" partition ${lane.partition}`
      if (answer === undefined) lane.failed(bundle, new SluiceError('LOG_BROKER', `${what}: the broker answered without it.`), true)
      else if (answer.error === BROKER.NONE) lane.acknowledged(bundle, answer.offset)
      else lane.failed(bundle, brokerError(answer.error, what, answer.message), MAYBE_WRITTEN.has(answer.error))
    }
    this.#pump()
  }

  #lost(parts: readonly Part[], error: unknown): void {
    this.#requests--
    for (const { lane, bundle } of parts) lane.failed(bundle, asError(error), true)
    this.#pump()
  }
}

const asError = (error: unknown): SluiceError => (error instanceof SluiceError ? error : new SluiceError('LOG_BROKER', String(error), { cause: error }))
