/**
 * What the lanes of one worker were told since they last handed over their memory: enough to make that memory again on another worker.
 *
 *     memory at the last snapshot  +  messages since then, in order  =  memory now
 *
 * Stages do the same with the same events, so messages that were answered are given to the new worker again and their answers are thrown away. Snapshots hold what has
 * changed since the one before; the newest of each key group is kept here.
 *
 * Memory: the memory of the stages once more, and copies of the messages, at most `bytesMax`. Beyond that the journal has a gap until the next snapshot.
 */
import type { FromHost, GroupState, ToHost } from './messages.ts'
import type { Care } from './work-notes.ts'

export type LaneMessage = Exclude<ToHost, { kind: 'piece' | 'close' | 'tap' | 'untap' }>

interface Entry {
  readonly message: LaneMessage
  readonly bytes: number
  answered: boolean
  /** What was left out of it, where it had ended a worker. */
  care: Care | undefined
}

/** Names a message, and its answer alike. */
export function laneKey(message: LaneMessage | Extract<FromHost, { kind: 'done' | 'snapshot' }>): string {
  return message.kind === 'snapshot' ? `snapshot ${message.level} ${message.id}` : `${message.level} ${message.seq}`
}

/** The message in bytes of its own: those that are sent are given away. */
export function copyOf<M extends LaneMessage>(message: M): M {
  return message.kind === 'frames' ? { ...message, frames: message.frames.map(frame => frame.slice()) } : message
}

export class LaneJournal {
  readonly #groups = new Map<string, GroupState>()
  readonly #entries = new Map<string, Entry>()
  readonly #bytesMax: number
  /** Levels whose messages since the last snapshot are not all here, with the snapshot that will close the gap once it has been asked for. */
  readonly #gaps = new Map<number, string | undefined>()
  #bytes = 0

  constructor(groups: readonly GroupState[], bytesMax = 64 * 1024 * 1024) {
    this.#bytesMax = bytesMax
    this.#keep(groups)
  }

  #keep(groups: readonly GroupState[]): void {
    for (const group of groups) this.#groups.set(`${group.stage} ${group.table} ${group.group}`, group)
  }

  /** Notes a message before it is sent. */
  note(message: LaneMessage): void {
    const bytes = message.kind === 'frames' ? message.frames.reduce((sum, frame) => sum + frame.length, 0) : 0
    const { level } = message
    if (message.kind === 'snapshot' && this.#gaps.has(level)) this.#gaps.set(level, laneKey(message))
    if (this.#gaps.has(level) && this.#gaps.get(level) === undefined) return
    if (this.#bytes + bytes > this.#bytesMax) {
      this.#gaps.set(level, undefined)
      return this.#forget(level)
    }
    this.#bytes += bytes
    this.#entries.set(laneKey(message), { message: copyOf(message), bytes, answered: false, care: undefined })
  }

  answered(message: Extract<FromHost, { kind: 'done' | 'snapshot' }>, care?: Care): void {
    const key = laneKey(message)
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      entry.answered = true
      entry.care = care
    }
    if (message.kind !== 'snapshot') return
    this.#keep(message.groups)
    this.#forgetUpTo(key, message.level)
    if (this.#gaps.get(message.level) === key) this.#gaps.delete(message.level)
  }

  /** Everything up to a snapshot is in it. */
  #forgetUpTo(key: string, level: number): void {
    if (!this.#entries.has(key)) return
    for (const [one, entry] of this.#entries) {
      if (entry.message.level !== level) continue
      this.#drop(one, entry)
      if (one === key) return
    }
  }

  #forget(level: number): void {
    for (const [key, entry] of this.#entries) if (entry.message.level === level) this.#drop(key, entry)
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }

  /** True where the memory can be made again. */
  get isWhole(): boolean {
    return this.#gaps.size === 0
  }

  get groups(): readonly GroupState[] {
    return [...this.#groups.values()]
  }

  /** Messages that were answered, to be given to another worker again, in their order. */
  get replay(): readonly LaneMessage[] {
    return [...this.#entries.values()].filter(entry => entry.answered).map(({ message, care }) => (message.kind === 'frames' && care !== undefined ? { ...copyOf(message), care } : copyOf(message)))
  }
}
