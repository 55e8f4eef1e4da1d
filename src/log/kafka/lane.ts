/**
 * What a producer has under way to one partition.
 *
 *     add -> gathering -> sealed -> (packed) -> outbox -> on its way -> acknowledged | refused
 *                                                 ^            |
 *                                                 +-- again ---+   refused for the moment, or the answer got lost
 *
 * Up to five batches are on their way at a time, for so many a broker remembers to tell repeats. Once one came back for another attempt nothing new goes out
 * until all are back; then they go again in their order, one alone first. Numbers (sequences) are given when a batch goes out, counted on from the last one that
 * was taken: what the broker refused left no gap, and what follows a lost answer gets the number that it had, so that the broker drops it if it is there already.
 * One whose answer got lost while a later one was taken is there for sure, and keeps its number though it lies before the last one.
 *
 * The first batch of a producer to a partition goes alone as well: a broker that knows nothing of a producer takes any number from it, so the second one could
 * pass the first.
 *
 * A batch whose answer got lost and whose time is over can't be counted on from: whether it was taken nobody knows. It is given up with all that went after it,
 * and the producer begins anew under another id.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import { BatchWriter, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, compressBatch, countOf, records, sequenceAfter, sign } from '../batch/index.ts'
import type { Appended, Compression, ProducerRecord, RecordHeader } from '../log.ts'
import type { Away } from './away.ts'
import { BROKER, brokerCodeOf, mayRetry } from './errors.ts'

const NO_HEADERS: readonly RecordHeader[] = []
const IN_FLIGHT_MAX = 5
const PAUSE_MIN = 20
const PAUSE_MAX = 1000
/** Part of a full batch from which on it goes out though others are on their way: smaller ones wait for those, so that many records share a request. */
const WORTH_SENDING = 1 / 4
const NO_BATCH = new Uint8Array(0)

/** Who signs batches. */
export interface Identity {
  readonly producerId: bigint
  readonly epoch: number
}

/** Where each record of a bundle is, by its number in it; throws where that one was refused. */
type Places = (index: number) => Appended

export interface Bundle {
  /** Undefined while records gather or are being packed. */
  batch: Uint8Array | undefined
  /** True for records that were gathered here, one promise each: they may be cut into smaller batches. */
  readonly isGathered: boolean
  /** What callers wait for. They follow from one promise: so a record costs one closure, and none of its own to resolve and to reject. */
  readonly promises: Promise<Appended>[]
  readonly placed: Promise<Places>
  readonly place: (places: Places) => void
  readonly refuse: (error: unknown) => void
  /** Bytes to be given back. */
  bytes: number
  /** Resolves, never rejects, when the batch was acknowledged or refused; with the error then. */
  readonly settled: Promise<unknown>
  readonly settle: (error: unknown) => void
  /** True once somebody else tells the error: then a promise that nobody looks at is no unhandled rejection. */
  covered: boolean
  readonly cancelDeadline: () => void
  isLate: boolean
  /** True once it went out and no answer told whether it was taken. */
  isUnknown: boolean
  /** The number under which it went out last. */
  sequence: number
  /** Why it was not acknowledged so far. */
  trouble: unknown
}

export interface LaneOwner {
  readonly clock: Clock
  readonly compression: Compression
  readonly linger: number
  readonly batchBytes: number
  /** Milliseconds that a record may wait for its acknowledgement; may be Infinity. */
  readonly deliveryTimeout: number
  /** `none` for a producer without numbers, undefined while it is not known yet. */
  readonly identity: Identity | 'none' | undefined
  readonly transactional: boolean
  /** Is told of a broker that takes nothing. */
  readonly away: Away
  /** False while the lane may not send; it is offered again when it may. Throws where it never will. */
  admit(lane: Lane): boolean
  /** Something may be ready to go. */
  offer(lane: Lane): void
  /** Looks where the partition is, if the error says that it moved; throws where it is gone. */
  lookAgain(lane: Lane, error: unknown): Promise<void>
  settled(bytes: number, error: unknown): void
  /** Nobody knows whether batches under this identity were taken: it can't be used further. */
  giveUp(identity: Identity): void
}

export class Lane {
  readonly topic: string
  readonly partition: number
  readonly #owner: LaneOwner
  readonly #writer = new BatchWriter()
  #gathering: Bundle | undefined
  #scheduled: (() => void) | undefined
  readonly #outbox: Bundle[] = []
  readonly #onWay = new Set<Bundle>()
  #again: Bundle[] = []
  #identity: Identity | undefined
  #sequence = 0
  /** Behind the last batch that was taken. */
  #acknowledged = 0
  /** One batch alone until the broker took it. */
  #isCareful = true
  #isRefused = false
  #isResting = false
  #pause = 0
  /** Bytes of a batch; less than the owner's once the broker found one too large. */
  #limit: number

  constructor(topic: string, partition: number, owner: LaneOwner) {
    this.topic = topic
    this.partition = partition
    this.#owner = owner
    this.#limit = owner.batchBytes
  }

  /** Everything that was not yet acknowledged or refused, after sealing what gathered. */
  pending(): Bundle[] {
    this.seal()
    return [...this.#onWay, ...this.#again, ...this.#outbox]
  }

  get isIdle(): boolean {
    return this.#gathering === undefined && this.#outbox.length + this.#again.length + this.#onWay.size === 0
  }

  /** Takes a record; the room for `bytes` was taken. Throws, with nothing taken, for what is no record. */
  add({ key = null, value, headers, timestamp }: ProducerRecord, bytes: number): Promise<Appended> {
    if (this.#writer.count > 0 && this.#writer.bytes + bytes > this.#limit) this.seal()
    this.#writer.add(key, value, headers ?? NO_HEADERS, timestamp ?? this.#owner.clock.now())
    const bundle = (this.#gathering ??= this.#bundle(undefined, true))
    bundle.bytes += bytes
    const promise = this.#wait(bundle)
    if (this.#writer.bytes >= this.#limit) this.seal()
    else if (this.#scheduled === undefined) this.#schedule()
    return promise
  }

  /** Takes a finished batch; the room for it was taken. */
  append(batch: Uint8Array): Promise<Appended> {
    this.seal()
    const bundle = this.#bundle(batch, false)
    bundle.bytes = batch.length
    const promise = this.#wait(bundle)
    this.#outbox.push(bundle)
    this.#owner.offer(this)
    return promise
  }

  #wait({ placed, promises }: Bundle): Promise<Appended> {
    const index = promises.length
    const promise = placed.then(places => places(index))
    promises.push(promise)
    return promise
  }

  /** Closes the batch that gathers. */
  seal(): void {
    this.#scheduled?.()
    this.#scheduled = undefined
    const bundle = this.#gathering
    if (bundle === undefined) return
    this.#gathering = undefined
    this.#outbox.push(bundle)
    this.#pack(bundle, this.#writer.finish())
  }

  /** The next batch, signed and on its way from now on, if one may go; `later` where it has more than so many bytes. */
  take(bytesMax: number): Bundle | 'later' | undefined {
    const head = this.#outbox[0]
    if (head?.batch === undefined || this.#isRefused || this.#isResting) return undefined
    if (this.#onWay.size >= (this.#isCareful ? 1 : IN_FLIGHT_MAX)) return undefined
    // What may have been taken under the identity of before goes again under that one, and all that went out with it.
    const isBound = this.#identity !== undefined && this.#outbox.slice(0, IN_FLIGHT_MAX).some(({ isUnknown }) => isUnknown)
    const identity = isBound ? this.#identity : this.#owner.identity
    if (identity === undefined || (identity !== 'none' && identity !== this.#identity && this.#onWay.size > 0)) return undefined
    if (head.batch.length > bytesMax) return 'later'
    try {
      if (!this.#owner.admit(this)) return undefined
    } catch (error) {
      this.#outbox.shift()
      this.#finish(head, error)
      return this.take(bytesMax)
    }
    this.#outbox.shift()
    this.#sign(head, head.batch, identity)
    this.#onWay.add(head)
    return head
  }

  acknowledged(bundle: Bundle, offset: bigint): void {
    this.#onWay.delete(bundle)
    const behind = sequenceAfter(bundle.sequence, countOf(bundle.batch ?? NO_BATCH))
    if (isBefore(this.#acknowledged, behind)) this.#acknowledged = behind
    this.#isCareful = false
    this.#pause = 0
    this.#owner.away.worked(this)
    const { partition } = this
    bundle.place(index => ({ partition, offset: offset < 0n ? offset : offset + BigInt(index) }))
    this.#settle(bundle, undefined)
    this.#goOn()
  }

  /** The batch was not taken, or (`isUnknown`) nobody knows. */
  failed(bundle: Bundle, error: SluiceError, isUnknown: boolean): void {
    const code = brokerCodeOf(error)
    if (code === BROKER.DUPLICATE_SEQUENCE) return this.acknowledged(bundle, -1n)
    this.#onWay.delete(bundle)
    const isGap = this.#isRefused && code === BROKER.OUT_OF_ORDER_SEQUENCE
    this.#isRefused = true
    bundle.isUnknown ||= isUnknown
    bundle.trouble = error
    if (error.code === 'LOG_BATCH_TOO_LARGE' && bundle.isGathered && countOf(bundle.batch ?? NO_BATCH) > 1 && !bundle.isUnknown) this.#again.push(...this.#halves(bundle))
    else if (isGap || ((mayRetry(error) || code === BROKER.UNKNOWN_TOPIC_OR_PARTITION) && !bundle.isLate)) this.#again.push(bundle)
    else if (bundle.isUnknown) this.#giveUp([bundle], error)
    else this.#finish(bundle, error)
    this.#goOn(error)
  }

  /** The broker can't be reached: what waits tries again later, or is refused where that can't help. */
  unreachable(error: SluiceError): void {
    if (!mayRetry(error)) return this.refuseAll(error)
    for (const bundle of this.#outbox) bundle.trouble = error
    if (!this.#isResting) void this.#rest(error)
  }

  /** Refuses everything that is not on its way. */
  refuseAll(error: unknown): void {
    this.seal()
    this.#owner.away.gone(this)
    const all = [...this.#again.splice(0), ...this.#outbox.splice(0)]
    const lost = all.findLastIndex(({ isUnknown }) => isUnknown)
    this.#giveUp(all.slice(0, lost + 1), error)
    for (const bundle of all.slice(lost + 1)) this.#finish(bundle, error)
  }

  /** Ends the wait for another attempt: the lane is closed. */
  refuseOnWay(error: unknown): void {
    this.#giveUp([...this.#onWay], error)
    this.#onWay.clear()
  }

  #pack(bundle: Bundle, batch: Uint8Array): void {
    if (this.#owner.compression === 'none') {
      bundle.batch = batch
      return this.#owner.offer(this)
    }
    compressBatch(batch, this.#owner.compression).then(
      packed => {
        bundle.batch = packed
        this.#owner.offer(this)
      },
      (error: unknown) => {
        const at = this.#outbox.indexOf(bundle)
        if (at >= 0) this.#outbox.splice(at, 1)
        this.#finish(bundle, error)
      },
    )
  }

  #schedule(): void {
    const { clock, linger } = this.#owner
    if (linger > 0) this.#scheduled = clock.timer(linger, () => this.seal())
    else if (this.#onWay.size < IN_FLIGHT_MAX) {
      let isCancelled = false
      queueMicrotask(() => {
        if (isCancelled) return
        this.#scheduled = undefined
        this.#sealIfWorth()
      })
      this.#scheduled = () => void (isCancelled = true)
    }
  }

  #sealIfWorth(): void {
    const worth = this.#onWay.size === 0 ? 0 : this.#limit * WORTH_SENDING
    if (this.#onWay.size < IN_FLIGHT_MAX && this.#writer.bytes >= worth) this.seal()
  }

  #bundle(batch: Uint8Array | undefined, isGathered: boolean): Bundle {
    const { promise: settled, resolve: settle } = Promise.withResolvers<unknown>()
    const { promise: placed, resolve: place, reject: refuse } = Promise.withResolvers<Places>()
    const cancelDeadline = this.#owner.clock.timer(this.#owner.deliveryTimeout, () => this.#late(bundle))
    const bundle: Bundle = {
      batch, isGathered, promises: [], placed, place, refuse, bytes: 0, settled, settle, covered: false, cancelDeadline, isLate: false, isUnknown: false, sequence: 0, trouble: undefined,
    }
    return bundle
  }

  /** Tells whoever waits. What never went out is dropped; what did is given up unless its answer still comes. */
  #late(bundle: Bundle): void {
    bundle.isLate = true
    const error = bundle.trouble ?? new SluiceError('TIMED_OUT', `Records of "${this.topic}" were not acknowledged within ${this.#owner.deliveryTimeout} ms.`)
    this.#tell(bundle, error)
    if (this.#onWay.has(bundle)) return
    const waiting = [this.#again, this.#outbox].find(list => list.includes(bundle))
    if (waiting === undefined) return
    if (bundle.isUnknown) {
      const all = [...this.#again.splice(0), ...this.#outbox.filter(({ isUnknown }) => isUnknown)]
      for (const each of all) if (this.#outbox.includes(each)) this.#outbox.splice(this.#outbox.indexOf(each), 1)
      this.#giveUp(all, error)
    } else {
      waiting.splice(waiting.indexOf(bundle), 1)
      this.#finish(bundle, error)
    }
  }

  #halves(bundle: Bundle): Bundle[] {
    const { batch, bytes } = bundle
    if (batch === undefined) return []
    bundle.cancelDeadline()
    this.#limit = Math.max(1, Math.min(this.#limit, Math.floor(batch.length / 2)))
    const all = [...records(batch)]
    const middle = Math.ceil(all.length / 2)
    const make = (from: number, to: number, share: number): Bundle => {
      const half = this.#bundle(undefined, true)
      half.covered = bundle.covered
      half.bytes = share
      const writer = new BatchWriter()
      for (const { key, value, headers, timestamp } of all.slice(from, to)) writer.add(key, value, headers, timestamp)
      this.#pack(half, writer.finish())
      return half
    }
    const halves = [make(0, middle, Math.floor(bytes / 2)), make(middle, all.length, bytes - Math.floor(bytes / 2))]
    void Promise.all(halves.map(({ settled }) => settled)).then(errors => bundle.settle(errors.find(error => error !== undefined)))
    void Promise.allSettled(halves.map(({ placed }) => placed)).then(([first, second]) => {
      if (halves.some(({ covered }) => covered)) for (const promise of bundle.promises) promise.catch(() => undefined)
      bundle.place(index => placeIn(index < middle ? first : second, index < middle ? index : index - middle))
    })
    return halves
  }

  #sign(bundle: Bundle, batch: Uint8Array, identity: Identity | 'none'): void {
    if (identity === 'none') return sign(batch, { producerId: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH, sequence: NO_SEQUENCE, transactional: false })
    if (identity !== this.#identity) {
      this.#identity = identity
      this.#sequence = this.#acknowledged = 0
      this.#isCareful = true
    }
    const isThere = bundle.isUnknown && isBefore(bundle.sequence, this.#acknowledged)
    if (!isThere) {
      bundle.sequence = this.#sequence
      this.#sequence = sequenceAfter(this.#sequence, countOf(batch))
    }
    sign(batch, { ...identity, sequence: bundle.sequence, transactional: this.#owner.transactional })
  }

  /** Batches of which nobody knows whether they were taken. */
  #giveUp(bundles: readonly Bundle[], error: unknown): void {
    if (bundles.length === 0) return
    for (const bundle of bundles) this.#finish(bundle, error)
    if (this.#identity !== undefined) this.#owner.giveUp(this.#identity)
  }

  #finish(bundle: Bundle, error: unknown): void {
    this.#tell(bundle, error)
    this.#settle(bundle, error)
  }

  #tell(bundle: Bundle, error: unknown): void {
    if (bundle.covered) for (const promise of bundle.promises) promise.catch(() => undefined)
    bundle.refuse(error)
  }

  #settle(bundle: Bundle, error: unknown): void {
    bundle.cancelDeadline()
    this.#owner.settled(bundle.bytes, error)
    bundle.settle(error)
  }

  /** What may go out now that something came back. */
  #goOn(error?: SluiceError): void {
    if (this.#onWay.size > 0) {
      if (this.#owner.linger === 0) this.#sealIfWorth()
      return this.#owner.offer(this)
    }
    if (this.#isRefused) {
      this.#isRefused = false
      this.#isCareful = true
      this.#sequence = this.#acknowledged
      const isWaiting = this.#again.length > 0
      this.#outbox.unshift(...this.#again.splice(0))
      if (isWaiting && error !== undefined) return void this.#rest(error)
    }
    if (this.#owner.linger === 0) this.seal()
    this.#owner.offer(this)
  }

  /** A pause before another attempt. */
  async #rest(error: SluiceError): Promise<void> {
    this.#isResting = true
    try {
      if (error.code !== 'LOG_BATCH_TOO_LARGE') {
        this.#owner.away.failed(this, error)
        this.#pause = Math.min(PAUSE_MAX, Math.max(PAUSE_MIN, this.#pause * 2))
        await this.#owner.clock.sleep(this.#pause)
      }
      await this.#owner.lookAgain(this, error)
      this.#isResting = false
    } catch (gone) {
      this.#isResting = false
      this.refuseAll(gone)
    }
    this.#owner.offer(this)
  }
}

/** Numbers go round: of two, the one that is less than half of the way behind. */
const isBefore = (a: number, b: number): boolean => a !== b && ((b - a) & 0x7fff_ffff) < 0x4000_0000

function placeIn(half: PromiseSettledResult<Places> | undefined, index: number): Appended {
  if (half?.status === 'fulfilled') return half.value(index)
  throw half?.reason
}
