/**
 * One object that is being written: lines are gathered and packed, what comes of it is gathered into parts, and parts are uploaded as they fill.
 *
 *     add* -> seal -> (all parts are there) -> complete, by whoever may decide that readers shall see it
 *
 * Nobody sees anything of it before it is completed.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { SluiceError } from '../../base/index.ts'
import type { InputRange } from '../../engine/index.ts'
import type { Written } from '../notify/index.ts'
import type { AtOnce } from './at-once.ts'
import { MappedBytes, mappedBuffer } from './mapped-bytes.ts'
import type { MappedMemory } from './mapped-bytes.ts'
import type { Packing } from './packing.ts'
import { Spans } from './spans.ts'
import type { Part, S3Keeping, S3Store } from './store.ts'
import type { Uploads } from './uploads.ts'

/** An object whose parts are all there: what a checkpoint keeps of it. */
export interface Sealed extends Written {
  readonly upload: string
  readonly parts: readonly Part[]
}

export interface ObjectOptions {
  readonly store: S3Store
  readonly uploads: Uploads
  readonly keeping: S3Keeping
  /** Makes what packs one object. */
  readonly packing: () => Packing
  /** Bytes that may be packed together while so many objects are open; fewer than a packing asks for. */
  readonly memberMax: () => number
  /** For all objects together. */
  readonly packers: AtOnce
  readonly partSize: number
  /** What the object begins with: the header of CSV. */
  readonly head: Uint8Array
  /** True where somebody is told of the object's bytes. */
  readonly hashes: boolean
  /** Memory of members that are packed, for other members. */
  readonly spare: Buffer[]
  /** Memory of parts that are uploaded, for other parts. */
  readonly parts: MappedMemory
  /** Called once nothing more comes and all parts are there. */
  readonly arrived?: ((object: S3Object) => void) | undefined
}

/** Bytes of memory that an object begins with. */
const FIRST = 16 * 1024
/** A member ends behind the chunk that fills it: a part of it more. */
const SLACK = 1 / 8
const SPARE_MAX = 8

export class S3Object {
  readonly key: string
  readonly since: number
  events = 0
  /** Bytes before compression. */
  bytes = 0
  readonly #options: ObjectOptions
  readonly #packing: Packing
  /** What was added since the last member: `#rawBytes` of it. */
  #raw: Buffer = Buffer.alloc(0)
  #rawBytes = 0
  /** Compressed, in order; not yet a part. */
  readonly #body: MappedBytes
  /** With what is being compressed. */
  #bodyBytes = 0
  /** Bytes of the object itself. */
  #stored = 0
  /** Members are compressed at the same time and appended one after the other. */
  #members: Promise<void> = Promise.resolve()
  #upload: Promise<string> | undefined
  #parts = 0
  readonly #done: Part[] = []
  readonly #spans = new Spans()
  readonly #hash: Hash | undefined
  #sha256: string | undefined
  #ended = 0

  constructor(key: string, since: number, options: ObjectOptions) {
    this.key = key
    this.since = since
    this.#options = options
    this.#packing = options.packing()
    this.#body = new MappedBytes(options.parts)
    this.#hash = options.hashes ? createHash('sha256') : undefined
    if (options.head.length > 0) this.#push(options.head)
  }

  /** Bytes of memory that wait to become a part. */
  get held(): number {
    return this.#raw.length + this.#bodyBytes
  }

  /** Copies the bytes. Waits while too much is being compressed. */
  async add(bytes: Uint8Array, events: number, input?: readonly InputRange[]): Promise<void> {
    this.events += events
    this.#spans.add(input)
    this.bytes += bytes.length
    this.#push(bytes)
    const size = this.#memberSize
    if (this.#rawBytes >= size) this.#member()
    if (this.#bodyBytes - this.#body.length > this.#packing.ahead * size) await this.#members
  }

  #push(bytes: Uint8Array): void {
    const needed = this.#rawBytes + bytes.length
    if (needed > this.#raw.length) {
      const larger = this.#room(needed)
      this.#raw.copy(larger, 0, 0, this.#rawBytes)
      this.#raw = larger
    }
    this.#raw.set(bytes, this.#rawBytes)
    this.#rawBytes = needed
  }

  get #memberSize(): number {
    return Math.min(this.#packing.member, this.#options.memberMax())
  }

  /** Memory for so much and some more, but not for all of a member before half of it is there: there may be many objects. */
  #room(needed: number): Buffer {
    const size = this.#memberSize
    if (needed < size / 2) return Buffer.allocUnsafeSlow(Math.max(needed, this.#raw.length * 2, FIRST))
    const { spare } = this.#options
    const at = spare.findIndex(one => one.length >= needed)
    return (at < 0 ? undefined : spare.splice(at, 1)[0]) ?? mappedBuffer(Math.max(needed, Math.ceil(size * (1 + SLACK))))
  }

  /** Memory that nobody looks at any more. */
  #giveBack(raw: Buffer): void {
    const { spare } = this.#options
    if (spare.length < SPARE_MAX && raw.length >= this.#memberSize) spare.push(raw)
  }

  #member(): void {
    const bytes = this.#rawBytes
    const whole = this.#raw
    const raw = whole.subarray(0, bytes)
    this.#raw = Buffer.alloc(0)
    this.#rawBytes = 0
    this.#bodyBytes += bytes
    const before = this.#members
    const made = this.#options.packers.run(() => this.#packing.add(raw))
    this.#members = Promise.all([before, made]).then(([, body]) => {
      this.#append(body, bytes)
      this.#giveBack(whole)
    })
    // Told by `seal`, or by the one who waits for the members.
    this.#members.catch(() => undefined)
  }

  #append(body: Uint8Array, counted: number): void {
    if (body.length === 0 && counted === 0) return
    const bytes = body.length
    this.#body.add(body)
    this.#hash?.update(body)
    this.#bodyBytes += bytes - counted
    this.#stored += bytes
    if (this.#body.length >= this.#options.partSize) this.#part()
  }

  #part(): void {
    const body = this.#body.take()
    this.#bodyBytes -= body.length
    const number = ++this.#parts
    this.#options.uploads.add(body.length, async () => {
      const upload = await this.#begun()
      this.#done.push(await this.#options.store.part(this.key, upload, number, body))
      // The server has all of it. After a failure, something may still be on its way to it.
      this.#options.parts.giveBack(body)
      this.#look()
    })
  }

  /** The upload's id; begun once, and anew only where that failed. */
  #begun(): Promise<string> {
    this.#upload ??= this.#options.store.begin(this.key, this.#options.keeping).catch((error: unknown) => {
      this.#upload = undefined
      throw error
    })
    return this.#upload
  }

  /** Nothing more comes: what is held becomes the last part. Where there is only that and `alone` is true, it is answered instead of uploaded. */
  async seal(alone: boolean, now: number): Promise<Uint8Array | undefined> {
    this.#ended = now
    if (this.#rawBytes > 0) this.#member()
    await this.#members
    this.#append(await this.#packing.finish(), 0)
    if (alone && this.#parts === 0) {
      this.#bodyBytes = 0
      return this.#body.take()
    }
    if (this.#body.length > 0) this.#part()
    this.#isSealed = true
    this.#look()
    return undefined
  }

  #isSealed = false

  #look(): void {
    if (this.#isSealed && this.#done.length === this.#parts) this.#options.arrived?.(this)
  }

  /** After all uploads have settled. */
  async sealed(): Promise<Sealed> {
    if (!this.#isSealed) throw new SluiceError('INTERNAL', `The object ${this.key} did not come to its end.`, { stops: true })
    return { ...this.described(), upload: await this.#begun(), parts: this.#done.toSorted((a, b) => a.number - b.number) }
  }

  /** After it was sealed. */
  described(): Written {
    this.#sha256 ??= this.#hash?.digest('hex')
    return { key: this.key, events: this.events, bytes: this.#stored, sha256: this.#sha256, time: this.#ended, input: this.#spans.toJson() }
  }

  /** Gives up what was uploaded. */
  async abort(): Promise<void> {
    if (this.#upload === undefined) return
    await this.#options.store.abort(this.key, await this.#upload)
  }
}
