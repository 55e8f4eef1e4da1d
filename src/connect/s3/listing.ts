/** In which order objects are read, and which are done. */
import type { JsonValue } from '../../event/index.ts'
import type { FoundObject } from './store.ts'

/** A page of a listing: the wanted objects of it, the last key of all, and whether there is more. */
export type ListPage = (after: string | undefined) => Promise<{ readonly objects: readonly FoundObject[]; readonly last: string | undefined; readonly more: boolean }>

export interface Listing {
  /** What is to be kept to go on here; the object that is being read is not done. */
  readonly position: JsonValue
  /** The next object that is not done, before all others the one of the key `first`; undefined where there is none now. */
  next(first: string | undefined): Promise<FoundObject | undefined>
  done(object: FoundObject): void
}

/** Once, by key: a page at a time. */
export class KeyOrder implements Listing {
  readonly #list: ListPage
  #after: string | undefined
  #done: string | undefined
  #page: FoundObject[] = []
  #more = true

  constructor(list: ListPage, position: JsonValue | undefined) {
    this.#list = list
    this.#done = typeof position === 'string' ? position : undefined
    this.#after = this.#done
  }

  get position(): JsonValue {
    return this.#done ?? null
  }

  async next(): Promise<FoundObject | undefined> {
    while (this.#page.length === 0 && this.#more) {
      const { objects, last, more } = await this.#list(this.#after)
      this.#page = [...objects]
      this.#after = last ?? this.#after
      this.#more = more
    }
    return this.#page.shift()
  }

  done({ key }: FoundObject): void {
    this.#done = key
  }
}

/** Objects that are taken from one listing, and that `done` holds, at most. */
const KEEP = 10_000

interface Seen {
  readonly key: string
  readonly tag: string
  readonly time: number
}

function inTime(a: Seen, b: Seen): number {
  return a.time - b.time || (a.key < b.key ? -1 : 1)
}

/** Again and again, by the time they were written. */
export class TimeOrder implements Listing {
  readonly #list: ListPage
  readonly #late: number
  readonly #warn: (message: string) => void
  #ready: FoundObject[] = []
  /** Objects before this time are done. */
  #time = -Infinity
  /** Those after it that are. */
  #done = new Map<string, Seen>()
  #position: JsonValue = null

  constructor(list: ListPage, late: number, position: JsonValue | undefined, warn: (message: string) => void) {
    this.#list = list
    this.#late = late
    this.#warn = warn
    if (typeof position !== 'object' || position === null) return
    const { time, done } = position as unknown as { readonly time: number | null; readonly done: readonly (readonly [key: string, tag: string, time: number])[] } // Made below.
    this.#time = time ?? -Infinity
    this.#done = new Map(done.map(([key, tag, at]) => [nameOf({ key, tag }), { key, tag, time: at }]))
    this.#position = position
  }

  get position(): JsonValue {
    return this.#position
  }

  async next(first: string | undefined): Promise<FoundObject | undefined> {
    if (this.#ready.length === 0) this.#ready = await this.#look(first)
    return this.#ready.shift()
  }

  async #look(first: string | undefined): Promise<FoundObject[]> {
    const order = (a: FoundObject, b: FoundObject): number => Number(b.key === first) - Number(a.key === first) || inTime(a, b)
    let found: FoundObject[] = []
    for (let after: string | undefined, more = true; more; ) {
      const page = await this.#list(after)
      for (const object of page.objects) if (object.time >= this.#time && !this.#done.has(nameOf(object))) found.push(object)
      if (found.length > KEEP * 2) found = found.sort(order).slice(0, KEEP)
      after = page.last
      more = page.more && after !== undefined
    }
    return found.sort(order).slice(0, KEEP)
  }

  done(object: FoundObject): void {
    const { key, tag, time } = object
    this.#done.set(nameOf(object), { key, tag, time })
    this.#forgetBefore(Math.max(this.#time, time - this.#late))
    if (this.#done.size > KEEP) this.#shorten()
    this.#position = { time: this.#time === -Infinity ? null : this.#time, done: [...this.#done.values()].map(one => [one.key, one.tag, one.time]) }
  }

  #forgetBefore(time: number): void {
    this.#time = time
    for (const [name, one] of this.#done) if (one.time < time) this.#done.delete(name)
  }

  /** Too many to keep apart: half of them are told by their time alone. */
  #shorten(): void {
    const times = [...this.#done.values()].sort(inTime)
    const time = times[times.length >> 1]?.time ?? this.#time
    // Where all have one time, the ones behind it are still told apart.
    this.#forgetBefore(time === this.#time ? time + 1 : time)
    this.#warn(`More than ${KEEP} objects were written within the time that "late" allows; one that appears only now and was written before ${new Date(this.#time).toISOString()} is passed over. Lower "late".`)
  }
}

function nameOf({ key, tag }: Pick<FoundObject, 'key' | 'tag'>): string {
  return `${tag} ${key}`
}
