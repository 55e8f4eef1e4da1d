/**
 * Cuts that are committed in one transaction with what the sinks wrote: the positions, the memory of stages and the output become visible together or not at all.
 *
 * The committer keeps the cuts, oldest first, from the last full one on. Most cuts hold what changed since the one before; when those have grown larger than the
 * whole, the next one is full again and the older ones are given up.
 */
import { SluiceError } from '../../base/index.ts'
import type { JsonValue } from '../../event/index.ts'
import type { Committer } from '../component.ts'
import type { GroupState } from '../messages.ts'
import type { CutLog } from './cut-log.ts'
import { fold } from './log.ts'
import { VERSION, decodeCut, encodeCut } from './record.ts'
import type { Cut, DecodedCut } from './record.ts'

/** Below this, changes are not worth being put together. */
const FULL_MIN = 1024 * 1024

/** What the sources consumed up to a cut, for a committer that keeps that too. */
export type Consumed = (positions: Readonly<Record<string, JsonValue>>) => readonly JsonValue[]

export class CommittedCuts implements CutLog {
  readonly torn = 0
  readonly transactional = true
  readonly #committer: Committer
  readonly #pipeline: string
  readonly #groups = new Map<string, GroupState>()
  #last: DecodedCut | undefined
  /** Bytes of the cuts since the last full one. */
  #changes = 0
  #consumed: Consumed = () => []

  private constructor(committer: Committer, pipeline: string) {
    this.#committer = committer
    this.#pipeline = pipeline
  }

  /** Reads what is committed. Throws STATE_CORRUPT where it is none of ours. */
  static async open(committer: Committer, pipeline: string): Promise<CommittedCuts> {
    const cuts = new CommittedCuts(committer, pipeline)
    for (const bytes of await committer.open()) cuts.#take(bytes)
    return cuts
  }

  #take(bytes: Uint8Array): void {
    const read = decodeCut(bytes, 0)
    if (read === 'torn') throw new SluiceError('STATE_CORRUPT', `A committed checkpoint of "${this.#pipeline}" can't be read.`)
    if (read.cut.pipeline !== this.#pipeline) throw new SluiceError('STATE_OTHER_PIPELINE', `The committed checkpoints belong to "${read.cut.pipeline}", not to "${this.#pipeline}".`)
    this.#last = read.cut
    fold(this.#groups, read.cut.groups)
    this.#changes += bytes.length
  }

  get last(): Cut | undefined {
    return this.#last === undefined ? undefined : { ...this.#last, groups: [...this.#groups.values()] }
  }

  /** Sources are opened after the cuts; they tell what they consumed from then on. */
  consumedBy(consumed: Consumed): void {
    this.#consumed = consumed
  }

  async append(cut: Cut): Promise<void> {
    fold(this.#groups, cut.groups)
    const live = [...this.#groups.values()].reduce((sum, group) => sum + group.bytes.length, 0)
    const full = this.#last === undefined || this.#changes > Math.max(FULL_MIN, live)
    const id = (this.#last?.id ?? 0) + 1
    const written = full ? { ...cut, groups: [...this.#groups.values()] } : cut
    const bytes = encodeCut(this.#pipeline, id, written)
    await this.#committer.commit(bytes, full, this.#consumed(cut.positions))
    this.#changes = full ? bytes.length : this.#changes + bytes.length
    this.#last = { version: VERSION, pipeline: this.#pipeline, id, ...cut }
  }

  close(): Promise<void> {
    return this.#committer.close()
  }
}
