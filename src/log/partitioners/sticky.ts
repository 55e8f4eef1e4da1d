/**
 * Chooses the partition that records without a key fill at present: one until so many bytes went into it, then another by chance. Batches get full that way,
 * and over time all partitions get as much.
 */
export class StickyPartition {
  readonly #bytesPerTurn: number
  readonly #random: () => number
  #partition = -1
  #partitions = 0
  #bytes = 0

  /** `bytesPerTurn`: the size of a batch. `random`: from 0 to below 1. */
  constructor(bytesPerTurn: number, random: () => number) {
    this.#bytesPerTurn = bytesPerTurn
    this.#random = random
  }

  /** The partition to fill, of as many as the topic has now. */
  current(partitions: number): number {
    if (partitions !== this.#partitions || this.#bytes >= this.#bytesPerTurn) this.#turn(partitions)
    return this.#partition
  }

  /** So many bytes went into the current partition. */
  filled(bytes: number): void {
    this.#bytes += bytes
  }

  #turn(partitions: number): void {
    const before = partitions === this.#partitions ? this.#partition : -1
    this.#partitions = partitions
    this.#bytes = 0
    if (before === -1 || partitions === 1) {
      this.#partition = Math.floor(this.#random() * partitions)
      return
    }
    // Any but the one before.
    const chosen = Math.floor(this.#random() * (partitions - 1))
    this.#partition = chosen >= before ? chosen + 1 : chosen
  }
}
