/**
 * Tells by records of a topic, all with one key, so that they stand in one partition and in order. The header `id` of a record is the notice's id.
 *
 * A producer that failed is not used again: what of it is in the log is unknown, and a new one begins with the first notice that was not acknowledged.
 */
import { SluiceError } from '../../base/index.ts'
import type { ComponentContext } from '../../engine/index.ts'
import type { Producer } from '../../log/index.ts'
import type { LogFields } from '../log/fields.ts'
import { placeOf, useLog } from '../log/open-logs.ts'
import type { LogUse } from '../log/open-logs.ts'
import type { Notice } from './notice.ts'
import type { NoticeTarget } from './notifier.ts'

export class TopicTarget implements NoticeTarget {
  readonly name: string
  readonly #topic: string
  readonly #place: string
  readonly #key: Buffer
  readonly #timeout: number
  readonly #context: ComponentContext
  #use: LogUse | undefined
  #producer: Producer | undefined

  constructor(fields: LogFields, topic: string, key: string, timeout: number, context: ComponentContext) {
    this.#topic = topic
    this.#place = placeOf(fields, context.folder)
    this.#key = Buffer.from(key)
    this.#timeout = timeout
    this.#context = context
    this.name = `the topic "${topic}" of ${fields.log}`
  }

  /** Throws LOG_UNKNOWN_TOPIC before anything is written. */
  async open(): Promise<void> {
    this.#use = await useLog(this.#place, message => this.#context.warn(message))
    if ((await this.#use.log.admin.listTopics()).includes(this.#topic)) return
    await this.close()
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `There is no such thing as ${this.name}, where results are to be told. Create it: sluice topic create ${this.#topic}.`)
  }

  async tell({ id, body }: Notice, signal: AbortSignal): Promise<void> {
    if (this.#use === undefined) throw new SluiceError('LOG_CLOSED', `${this.name} is not open.`)
    const producer = (this.#producer ??= this.#use.log.producer())
    try {
      await producer.send({ topic: this.#topic, key: this.#key, value: Buffer.from(body), headers: [['id', Buffer.from(id)]] }, { signal, timeout: this.#timeout })
    } catch (error) {
      this.#producer = undefined
      await producer.close({ timeout: 1000 }).catch(() => undefined)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#producer?.close().catch(() => undefined)
    await this.#use?.release()
    this.#producer = this.#use = undefined
  }
}
