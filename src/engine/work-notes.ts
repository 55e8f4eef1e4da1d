/**
 * What a worker notes of its work in memory that it shares with the coordinating thread, which reads it also when the worker no longer answers.
 *
 *     beat     counts turns of the worker's event loop: it stands still while a loop never ends
 *     work     counts steps: batches begun and done, stages entered
 *     waiting  stages that wait for the outside just now: their calls have time limits of their own
 *     stage    the node whose stage was entered and not left, plus one; 0: none
 *     ordinal  which of the events that the stage was given in this batch, from 1; only where a batch is worked on with care
 *
 * With care, stages get one event at a time, and those that are named are rejected before their stage sees them: so the one that kills a worker is found and left out.
 */
import { SluiceError } from '../base/index.ts'

const [BEAT, WORK, WAITING, STAGE, ORDINAL] = [0, 1, 2, 3, 4]
const BYTES = 5 * Int32Array.BYTES_PER_ELEMENT

/** An event that a stage is not to see: which of those that the stage was given in the batch. */
export interface Skip {
  /** Index of the node. */
  readonly stage: number
  readonly ordinal: number
  /** True where all that come behind it are left out as well. */
  readonly rest: boolean
  readonly reason: string
}

/** How a batch is to be worked on that has killed a worker, or may have. */
export interface Care {
  readonly skips: readonly Skip[]
}

export class WorkNotes {
  readonly memory: SharedArrayBuffer
  readonly #cells: Int32Array
  #care: Care | undefined
  readonly #ordinals = new Map<number, number>()

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.memory = memory
    this.#cells = new Int32Array(memory)
  }

  // --------------------------------------------------------------------------------------------------------- the worker's side

  beat(): void {
    Atomics.add(this.#cells, BEAT, 1)
  }

  begin(care: Care | undefined): void {
    this.#care = care
    this.#ordinals.clear()
    Atomics.store(this.#cells, STAGE, 0)
    Atomics.add(this.#cells, WORK, 1)
  }

  done(): void {
    this.#care = undefined
    Atomics.add(this.#cells, WORK, 1)
  }

  get careful(): boolean {
    return this.#care !== undefined
  }

  enter(stage: number, waits: boolean): void {
    Atomics.store(this.#cells, STAGE, stage + 1)
    Atomics.add(this.#cells, WORK, 1)
    if (waits) Atomics.add(this.#cells, WAITING, 1)
  }

  leave(waits: boolean): void {
    Atomics.store(this.#cells, STAGE, 0)
    if (waits) Atomics.sub(this.#cells, WAITING, 1)
  }

  /** Notes the next event of a stage, with care. Answers why the stage is not to see it, if so. */
  next(stage: number): SluiceError | undefined {
    const ordinal = (this.#ordinals.get(stage) ?? 0) + 1
    this.#ordinals.set(stage, ordinal)
    Atomics.store(this.#cells, ORDINAL, ordinal)
    const skip = this.#care?.skips.find(one => one.stage === stage && (one.ordinal === ordinal || (one.rest && one.ordinal < ordinal)))
    return skip === undefined ? undefined : new SluiceError('WORKER_KILLED', skip.reason, { retry: false })
  }

  // ----------------------------------------------------------------------------------------------------- the coordinating side

  read(): { readonly beat: number; readonly work: number; readonly waiting: number } {
    return { beat: Atomics.load(this.#cells, BEAT), work: Atomics.load(this.#cells, WORK), waiting: Atomics.load(this.#cells, WAITING) }
  }

  /** The stage that is under way, and its event. */
  get place(): { readonly stage: number; readonly ordinal: number } | undefined {
    const stage = Atomics.load(this.#cells, STAGE)
    return stage === 0 ? undefined : { stage: stage - 1, ordinal: Atomics.load(this.#cells, ORDINAL) }
  }
}
