/**
 * Producer ids that were never given before, also across restarts: blocks of them are set aside durably in `meta/producer-ids`, and given out from memory.
 * What is left of a block is lost when the log closes; there are 2^53 of them.
 */
import { join } from 'node:path'
import type { Files } from '../../platform/index.ts'
import { Serial } from './calls.ts'
import { readDurable, writeDurable } from './durable-file.ts'

const BLOCK = 1000

export class ProducerIds {
  readonly #files: Files
  readonly #path: string
  readonly #serial = new Serial()
  #next = 0
  /** First id of the next block, undefined before the file was read. */
  #end: number | undefined

  constructor(files: Files, folder: string) {
    this.#files = files
    this.#path = join(folder, 'meta', 'producer-ids')
  }

  next(): Promise<bigint> {
    return this.#serial.run(async () => {
      if (this.#next === this.#end || this.#end === undefined) await this.#reserve()
      return BigInt(this.#next++)
    })
  }

  async #reserve(): Promise<void> {
    // The checksum fitted, so this is what was written below.
    const first = this.#end ?? ((await readDurable(this.#files, this.#path)) as { readonly next: number } | undefined)?.next ?? 0
    await writeDurable(this.#files, this.#path, { next: first + BLOCK })
    this.#next = first
    this.#end = first + BLOCK
  }
}
