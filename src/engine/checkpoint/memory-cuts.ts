/** Cuts of a pipeline that keeps nothing on disk: what one generation hands to the next when it is reloaded. */
import type { GroupState } from '../messages.ts'
import type { CutLog } from './cut-log.ts'
import { fold } from './log.ts'
import type { Cut } from './record.ts'

export class MemoryCuts implements CutLog {
  readonly torn = 0
  readonly transactional = false
  readonly #groups = new Map<string, GroupState>()
  #last: Cut | undefined

  get last(): Cut | undefined {
    return this.#last === undefined ? undefined : { ...this.#last, groups: [...this.#groups.values()] }
  }

  append(cut: Cut): Promise<void> {
    fold(this.#groups, cut.groups)
    this.#last = cut
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
