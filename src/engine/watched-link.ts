/**
 * The link to a worker that runs code of users: notices when it hangs or dies, starts another, and gives it again what was not answered.
 *
 *     starting --ready--> running --hangs or dies--> starting (the batches that were out, one at a time and with care) --all answered--> running
 *        |                   |
 *        +--hangs or dies----+--where it can't be started anew--> failed
 *
 * A batch counts only when its `done` has come, so one that is worked on twice is neither lost nor doubled. The first time, nobody knows which event was to blame: the
 * batches that were out are given to the new worker one by one, and their stages get one event at a time (`WorkNotes`). An event that ends this worker too is known by
 * its stage and number; it is left out, and goes where the stage's `on_error` says.
 *
 * Where stages of users have memory, a journal keeps what their lanes were told since the last checkpoint: the new worker is given it again before anything else.
 *
 * Memory: a copy of the bytes of each batch that is out, three at most, and the journal.
 */
import type { Clock } from '../platform/index.ts'
import { BufferPool } from './buffers.ts'
import { copyOf, laneKey } from './lane-journal.ts'
import type { LaneJournal, LaneMessage } from './lane-journal.ts'
import { ThreadLink } from './links.ts'
import type { Link, Listener } from './links.ts'
import type { FromHost, GroupState, ToHost } from './messages.ts'
import { warning } from './notices.ts'
import { WorkNotes } from './work-notes.ts'
import type { Care, Skip } from './work-notes.ts'

export interface WatchedOptions {
  readonly url: URL
  /** What a thread is started with: it beats every `every` milliseconds, and its stages remember `groups`. */
  start(notes: { readonly memory: SharedArrayBuffer; readonly every: number }, groups: readonly GroupState[] | undefined): unknown
  readonly clock: Clock
  /** Milliseconds without a step after which the worker is taken to hang. */
  readonly limit: number
  /** False where stages with memory live on the worker, and there is no journal: what they remember would be lost. */
  readonly restarts: boolean
  readonly journal?: LaneJournal | undefined
  /** Id of a node. */
  nameOf(node: number): string
  readonly listener: Listener
}

type Piece = Extract<ToHost, { kind: 'piece' }>

/** A message that has not been answered. */
interface Out {
  /** What is sent: a piece, or a copy of what goes to a lane. */
  readonly message: Piece | LaneMessage
  readonly copy: Uint8Array<ArrayBuffer> | undefined
  readonly skips: Skip[]
  /** Workers that it ended where no stage was to blame. */
  blind: number
}

/** Events of one batch that may end a worker each; what comes behind the last of them is left out as well. */
const SKIPS_MAX = 8
/** Milliseconds that a worker may take to stand, at least: it loads modules, tables and libraries. */
const START_MS = 30_000
/** Times in a row that a worker may end without having answered a batch: more than the events that may end it, so that only something else can be to blame. */
const ENDS_MAX = 2 * SKIPS_MAX

export class WatchedLink implements Link {
  readonly #options: WatchedOptions
  readonly #pool = new BufferPool()
  readonly #out = new Map<string, Out>()
  /** Messages that a new worker is given again for the sake of its memory, one by one: their answers are thrown away. The first is under way. */
  #replaying: readonly LaneMessage[] = []
  #replayEnds = 0
  /** What a new worker is to look at. */
  readonly #taps = new Map<number, ToHost>()
  /** Batches that wait for the worker, or for those before them that need care. */
  #queue: Out[] = []
  /** Batches to be worked on with care; the first may be under way. */
  #suspects: Out[] = []
  #careful: Out | undefined
  #state: 'starting' | 'running' | 'closing' | 'ended' = 'starting'
  #known = false
  #ends = 0
  #generation = 0
  #thread: ThreadLink
  #notes = new WorkNotes()
  #seen = { beat: 0, work: 0, beatAt: 0, workAt: 0 }
  #cancel: () => void = () => undefined

  constructor(options: WatchedOptions) {
    this.#options = options
    this.#thread = this.#startThread()
    this.#look()
  }

  #startThread(): ThreadLink {
    const { url, start, limit, journal } = this.#options
    const generation = ++this.#generation
    this.#state = 'starting'
    this.#notes = new WorkNotes()
    this.#seen = { beat: 0, work: 0, ...this.#fromNow() }
    return new ThreadLink(url, start({ memory: this.#notes.memory, every: Math.max(5, limit / 8) }, this.#known ? journal?.groups : undefined), message => {
      if (generation === this.#generation && this.#state !== 'ended') this.#receive(message)
    })
  }

  #fromNow(): { readonly beatAt: number; readonly workAt: number } {
    const now = this.#options.clock.monotonic()
    return { beatAt: now, workAt: now }
  }

  send(message: ToHost): void {
    if (message.kind === 'close') {
      this.#state = 'closing'
      return this.#thread.send(message)
    }
    if (message.kind === 'tap' || message.kind === 'untap') {
      if (message.kind === 'tap') this.#taps.set(message.order.tap, message)
      else this.#taps.delete(message.tap)
      return this.#thread.send(message)
    }
    const isPiece = message.kind === 'piece'
    if (!isPiece) this.#options.journal?.note(message)
    const out: Out = {
      message: isPiece || !this.#options.restarts ? message : copyOf(message), copy: isPiece && this.#options.restarts ? this.#copy(message.data) : undefined, skips: [], blind: 0,
    }
    this.#out.set(isPiece ? String(message.seq) : laneKey(message), out)
    if (this.#state === 'running' && this.#suspects.length === 0 && this.#replaying.length === 0) this.#thread.send(message)
    else this.#queue.push(out)
  }

  #copy(data: Uint8Array | undefined): Uint8Array<ArrayBuffer> | undefined {
    if (data === undefined) return undefined
    const copy = this.#pool.take(data.length)
    copy.set(data)
    return copy
  }

  giveBack(bytes: Uint8Array<ArrayBuffer>): void {
    this.#thread.giveBack(bytes)
  }

  get heapBytes(): number | undefined {
    return this.#thread.heapBytes
  }

  terminate(): Promise<void> {
    this.#state = 'ended'
    this.#cancel()
    return this.#thread.terminate()
  }

  #receive(message: FromHost): void {
    const { listener } = this.#options
    if (message.kind === 'failed' && message.error.code === 'WORKER_CRASHED') return this.#lost(message.error.message)
    if (message.kind === 'ready') {
      this.#state = 'running'
      this.#seen = { ...this.#notes.read(), ...this.#fromNow() }
      const first = !this.#known
      this.#known = true
      for (const tap of first ? [] : this.#taps.values()) this.#thread.send(tap)
      if (first) listener(message)
      else this.#replay(this.#options.journal?.replay ?? [])
      return this.#next()
    }
    if (message.kind !== 'done' && message.kind !== 'snapshot') return listener(message)
    const isPiece = message.kind === 'done' && message.level === 0
    const key = isPiece ? String(message.seq) : laneKey(message)
    const [again] = this.#replaying
    if (!isPiece && again !== undefined && key === laneKey(again)) {
      this.#replay(this.#replaying.slice(1))
    } else {
      const skips = this.#careful?.skips ?? []
      if (!isPiece) this.#options.journal?.answered(message, skips.length === 0 ? undefined : { skips })
      this.#answered(key)
      listener(message)
    }
    this.#next()
  }

  /** Gives a new worker the memory that the one before had. */
  #replay(messages: readonly LaneMessage[]): void {
    this.#replaying = messages
    if (messages[0] !== undefined) this.#thread.send(messages[0])
  }

  #answered(key: string): void {
    const out = this.#out.get(key)
    this.#out.delete(key)
    this.#ends = this.#replayEnds = 0
    if (out?.copy !== undefined) this.#pool.give(out.copy.buffer)
    if (out === undefined || out !== this.#careful) return
    this.#careful = undefined
    this.#suspects.shift()
  }

  /** Sends what can go: a batch that needs care by itself, else all that wait. */
  #next(): void {
    if (this.#state !== 'running' || this.#careful !== undefined || this.#replaying.length > 0) return
    const [suspect] = this.#suspects
    if (suspect !== undefined) {
      this.#careful = suspect
      return this.#thread.send(again(suspect, { skips: suspect.skips }))
    }
    const queue = this.#queue
    this.#queue = []
    for (const out of queue) this.#thread.send(out.message.kind === 'piece' ? out.message : copyOf(out.message))
  }

  /** Looks whether the worker still does something. */
  #look(): void {
    const { clock, limit } = this.#options
    this.#cancel = clock.timer(limit / 4, () => {
      if (this.#state === 'ended') return
      const { beat, work, waiting } = this.#notes.read()
      const now = clock.monotonic()
      const idle = waiting > 0 || (this.#state === 'running' && this.#replaying.length === 0 && this.#out.size === this.#queue.length)
      const { beat: beatBefore, work: workBefore, beatAt, workAt } = this.#seen
      // Batches that wait are worked on one after the other, up to a thousand, before the event loop turns: steps show as well that nothing loops.
      const stands = beat === beatBefore && work === workBefore
      this.#seen = { beat, work, beatAt: stands ? beatAt : now, workAt: work === workBefore && !idle ? workAt : now }
      const most = this.#state === 'starting' ? Math.max(limit, START_MS) : limit
      const isStuck = now - this.#seen.beatAt >= most || now - this.#seen.workAt >= most
      if (!isStuck || this.#stuck()) this.#look()
    })
  }

  /** Answers whether a worker is there to be looked at again. */
  #stuck(): boolean {
    const { limit, listener } = this.#options
    const why = `did not come back for ${limit} ms (\`stall_timeout\`)`
    if (this.#state !== 'closing') {
      this.#lost(why)
      return !this.#isOver
    }
    listener({ kind: 'notice', notice: warning('worker', `A worker ${why} while it was to close its stages; it was ended.`) })
    this.#state = 'ended'
    void this.#thread.terminate()
    listener({ kind: 'closed' })
    return false
  }

  get #isOver(): boolean {
    return this.#state === 'ended'
  }

  /** The worker is gone, or hangs: it is ended, and another takes over what was out. */
  #lost(why: string): void {
    void this.#thread.terminate()
    const { place } = this.#notes
    const stage = place === undefined ? undefined : this.#options.nameOf(place.stage)
    const careful = this.#careful
    this.#careful = undefined
    const { restarts, journal } = this.#options
    const isReplaying = this.#replaying.length > 0
    this.#replaying = []
    if (!restarts) return this.#fail(`${told(stage, why)} The worker holds the memory of stages, so the run ends; with \`state\` or on a log, the next one goes on from the last checkpoint.`)
    if (this.#state === 'starting') return this.#fail(`${told(stage, why)} That was while it made and opened its components.`)
    if (journal?.isWhole === false) return this.#fail(`${told(stage, why)} Its stages were told too much since the last checkpoint to make their memory again; with \`state\` or on a log, the next run goes on from there.`)
    if (isReplaying && ++this.#replayEnds > 2) return this.#fail(`${told(stage, why)} That was while its memory was made again, ${this.#replayEnds} times.`)
    if (this.#state === 'closing') return this.#fail(`${told(stage, why)} That was while it closed its stages.`)
    if (++this.#ends > ENDS_MAX) return this.#fail(`${told(stage, why)} It has ended ${this.#ends} times in a row without finishing a batch.`)
    if (careful === undefined) {
      const waiting = new Set(this.#queue)
      this.#suspects = [...this.#out.values()].filter(out => !waiting.has(out))
    } else if (place === undefined || (careful.message.kind !== 'piece' && careful.message.kind !== 'frames')) {
      if (++careful.blind > 1) return this.#fail(`${told(stage, why)} That was while ${workOf(careful.message)}, twice.`)
    } else {
      careful.skips.push({ ...place, rest: careful.skips.length + 1 >= SKIPS_MAX, reason: `${told(stage, why)} This event had ended the worker, and was left out.` })
    }
    this.#options.listener({ kind: 'notice', notice: warning(stage ?? 'worker', `${told(stage, why)} The worker was ended and started anew; ${this.#suspects.length} batches are worked on again.`) })
    this.#thread = this.#startThread()
  }

  #fail(message: string): void {
    this.#state = 'ended'
    this.#cancel()
    this.#options.listener({ kind: 'failed', error: { code: 'WORKER_STUCK', message, place: undefined, stack: undefined } })
  }
}

/** The message once more, in bytes of its own. */
function again({ message, copy }: Out, care: Care): Piece | LaneMessage {
  if (message.kind === 'piece') return { ...message, data: copy?.slice(), care }
  return message.kind === 'frames' ? { ...copyOf(message), care } : message
}

function workOf(message: Piece | LaneMessage): string {
  switch (message.kind) {
    case 'piece':
      return `batch ${message.seq} was read, decoded or encoded, at ${JSON.stringify(message.from)}`
    case 'frames':
      return `batch ${message.seq} was encoded`
    case 'finish':
      return 'stages handed out what they held at the end of the input'
    case 'tick':
      return 'stages handed out what was due'
    case 'snapshot':
      return 'the memory of stages was handed over'
  }
}

/** `why` is either what the worker failed to do, or what it said when it ended. */
function told(stage: string | undefined, why: string): string {
  const who = stage === undefined ? 'A worker' : `Stage "${stage}"`
  return why.startsWith('did not') ? `${who} ${why}.` : `${who} ended its thread: ${why}${why.endsWith('.') ? '' : '.'}`
}
