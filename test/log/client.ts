/**
 * Producers that keep sending while the disk fails, and note what they are told. A send that is refused is tried again under a new value: the refused one must
 * never be seen, unless what became of it is unknown.
 */
import { SluiceError } from '../../src/base/index.ts'
import type { ErrorCode } from '../../src/base/index.ts'
import { History, assertClean } from '../../src/log/conformance/history.testing.ts'
import { bytes, nameOf } from '../../src/log/conformance/trial.testing.ts'
import type { Log, Producer, TopicPartition } from '../../src/log/index.ts'
import { readAll } from './inspect.ts'

/** Errors that say for certain that nothing was written. */
const REFUSED = new Set<ErrorCode>(['LOG_DISK_FULL', 'LOG_READ_ONLY', 'LOG_FENCED', 'LOG_BATCH_TOO_LARGE'])

export class Clients {
  readonly history = new History()
  /** Codes of the errors that came, with their number. */
  readonly errors = new Map<string, number>()
  /** Errors that said that another attempt may help. */
  retriable = 0
  #count = 0

  /** Sends one value and notes what became of it; true when it was acknowledged. */
  async send(name: string, producer: Producer, at: TopicPartition, size = 200): Promise<boolean> {
    const value = `${name}-${++this.#count}-`.padEnd(size, 'x')
    const noted = this.history.send(name, nameOf(at), value)
    try {
      const { offset } = await producer.send({ ...at, value: bytes(value), timestamp: 1_750_000_000_000 })
      noted.ok(offset)
      return true
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1)
      if (error.retry) this.retriable++
      if (REFUSED.has(error.code)) noted.failed()
      else noted.unknown()
      return false
    }
  }

  /** Sends bursts of small and large records to partitions; answers how many were acknowledged. */
  async burst(name: string, producer: Producer, partitions: readonly TopicPartition[], count: number): Promise<number> {
    const sends = Array.from({ length: count }, (_, index) => partitions[index % partitions.length]).flatMap(at => (at === undefined ? [] : [this.send(name, producer, at, this.#count % 3 === 0 ? 900 : 60)]))
    return (await Promise.all(sends)).filter(ok => ok).length
  }

  /** Reads everything, and throws unless it is what it must be. */
  async check(log: Log, partitions: readonly TopicPartition[], where: string): Promise<void> {
    for (const at of partitions) this.history.final(nameOf(at), await readAll(log, at))
    assertClean(this.history, where)
  }
}
