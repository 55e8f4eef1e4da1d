/**
 * What the tests of the conformance suite stand on: a log to be tested, and short words for what they do with it.
 *
 * Names of topics and groups are new in each trial, so that one cluster serves all of them.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import type { TopicSettings } from '../admin.ts'
import { BatchWriter, records } from '../batch/index.ts'
import type { BatchRecord } from '../batch/index.ts'
import type { Consumer, Fetched, GroupConsumer, GroupOptions, Isolation, Log, ProducerRecord, Start, TopicPartition } from '../log.ts'

export interface TestedLog {
  readonly log: Log
  /** Another client of the same records; absent where only one is possible. */
  readonly other?: Log
  /** Moves the time on; absent where time is the real one. */
  readonly advance?: (ms: number) => Promise<void>
  /** Closes the log and opens it again on the same records; absent where that means nothing. */
  readonly reopen?: () => Promise<Log>
  close(): Promise<void>
}

export interface MakeLogOptions {
  /** Wanted by tests about deadlines of the log. An adapter that can't leaves `advance` out, and those tests are skipped. */
  readonly clock: 'real' | 'simulated'
}

export type MakeLog = (options: MakeLogOptions) => Promise<TestedLog>

export interface SeenRecord {
  readonly at: string
  readonly offset: bigint
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly (readonly [string, string | null])[]
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (data: Uint8Array | null): string | null => (data === null ? null : new TextDecoder().decode(data))
export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`
export const coded = (...codes: readonly ErrorCode[]) => (error: unknown): boolean => {
  assert.ok(error instanceof SluiceError, `not an error of the registry: ${String(error)}`)
  assert.ok(codes.includes(error.code), `${error.code} instead of ${codes.join(' or ')}: ${error.message}`)
  return true
}

/** Finished batches of so many bytes of value, without compression. */
export function batchOf(...values: readonly string[]): Uint8Array {
  const writer = new BatchWriter()
  for (const value of values) writer.add(null, bytes(value), [], 1_700_000_000_000)
  return writer.finish()
}

function seen(at: TopicPartition, record: BatchRecord): SeenRecord {
  const headers = record.headers.map(([name, value]) => [name, textOf(value)] as const)
  return { at: nameOf(at), offset: record.offset, key: textOf(record.key), value: textOf(record.value), timestamp: record.timestamp, headers }
}

/** The records of an answer, without those below what was asked for. */
export function recordsOf(fetched: readonly Fetched[]): SeenRecord[] {
  return fetched.flatMap(part => [...records(part.bytes)].filter(record => record.offset >= part.from).map(record => seen(part, record)))
}

let trials = 0
/** Tells this run of the suite from others on the same cluster. */
const RUN = `${process.pid.toString(36)}${Math.floor(performance.timeOrigin % 1e6).toString(36)}`

export class Trial {
  readonly tested: TestedLog
  readonly #id = `${RUN}-${++trials}`
  #names = 0
  log: Log

  constructor(tested: TestedLog) {
    this.tested = tested
    this.log = tested.log
  }

  name(prefix = 'topic'): string {
    return `${prefix}-${this.#id}-${++this.#names}`
  }

  async topic(partitions = 1, settings: TopicSettings = {}): Promise<string> {
    const name = this.name()
    await this.log.admin.createTopics([{ name, partitions, settings }])
    return name
  }

  /** Sends texts to partition 0, in order. */
  async fill(topic: string, values: readonly string[], { partition = 0, timestamp }: { partition?: number; timestamp?: (index: number) => number } = {}): Promise<bigint[]> {
    const producer = this.log.producer()
    const acks = await Promise.all(values.map((value, index) => producer.send({ topic, partition, value: bytes(value), timestamp: timestamp?.(index) })))
    await producer.close()
    return acks.map(({ offset }) => offset)
  }

  async reader(topic: string, { partitions = [0], start = 'earliest', isolation, maxBytes }: { partitions?: readonly number[]; start?: Start; isolation?: Isolation; maxBytes?: number } = {}): Promise<Consumer> {
    const consumer = this.log.consumer({ isolation, maxBytes })
    await consumer.assign(partitions.map(partition => ({ topic, partition, start })))
    return consumer
  }

  /** All that a reader sees up to the end as it is now, in order of partitions and offsets. */
  async all(topic: string, { partitions = 1, isolation = 'read_committed' }: { partitions?: number; isolation?: Isolation } = {}): Promise<SeenRecord[]> {
    const numbers = Array.from({ length: partitions }, (_, index) => index)
    const consumer = await this.reader(topic, { partitions: numbers, isolation })
    const found = await readToEnd(this.log, consumer, isolation)
    await consumer.close()
    return found.sort((a, b) => (a.at === b.at ? Number(a.offset - b.offset) : a.at < b.at ? -1 : 1))
  }

  async values(topic: string, options: { partitions?: number; isolation?: Isolation } = {}): Promise<(string | null)[]> {
    return (await this.all(topic, options)).map(({ value }) => value)
  }

  /** A member of a group that notes what happens to it. */
  member(group: string, topics: GroupOptions['topics'], options: Partial<GroupOptions> = {}): Member {
    const events: string[] = []
    const numbers = (partitions: readonly TopicPartition[]): string => partitions.map(({ partition }) => partition).sort((a, b) => a - b).join(' ')
    const consumer = this.log.group({
      group, topics, ...options,
      onRevoked: async partitions => {
        events.push(`revoked ${numbers(partitions)}`)
        await options.onRevoked?.(partitions)
      },
      onAssigned: partitions => {
        events.push(`assigned ${numbers(partitions)}`)
        options.onAssigned?.(partitions)
      },
    })
    return { consumer, events }
  }

  close(): Promise<void> {
    return this.tested.close()
  }
}

export interface Member {
  readonly consumer: GroupConsumer
  readonly events: string[]
}

/** Reads until so many records came. */
export async function read(consumer: Pick<Consumer, 'fetch'>, count: number): Promise<SeenRecord[]> {
  const found: SeenRecord[] = []
  for (let idle = 0; found.length < count && idle < 40;) {
    const more = recordsOf(await consumer.fetch({ wait: 500 }))
    found.push(...more)
    idle = more.length === 0 ? idle + 1 : 0
  }
  assert.equal(found.length, count, `${found.length} records came instead of ${count}`)
  return found
}

/** Reads until all positions are at the end that the log describes now. */
async function readToEnd(log: Log, consumer: Consumer, isolation: Isolation): Promise<SeenRecord[]> {
  const starts = await log.admin.offsets(consumer.assigned.map(at => ({ ...at, start: 'latest' as const })))
  const ends = new Map(starts.map(at => [nameOf(at), at.offset]))
  if (isolation === 'read_committed') {
    for (const { name, partitions } of await log.admin.describeTopics([...new Set(starts.map(({ topic }) => topic))])) {
      for (const { partition, stable } of partitions) if (stable !== undefined && ends.has(`${name}/${partition}`)) ends.set(`${name}/${partition}`, stable)
    }
  }
  const found: SeenRecord[] = []
  for (let idle = 0; consumer.assigned.some(at => (consumer.position(at) ?? 0n) < (ends.get(nameOf(at)) ?? 0n)) && idle < 40;) {
    const more = recordsOf(await consumer.fetch({ wait: 100 }))
    found.push(...more)
    idle = more.length === 0 ? idle + 1 : 0
  }
  return found
}

/** Repeats a look until it sees what is wanted, letting the log work between. */
export async function eventually<T>(look: () => Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const now = await look()
    if (wanted(now) || tries === 400) return now
    await new Promise(resolve => { setTimeout(resolve, tries < 20 ? 0 : 50) })
  }
}

export const record = (topic: string, value: string, more: Partial<ProducerRecord> = {}): ProducerRecord => ({ topic, partition: 0, value: bytes(value), ...more })

export const numbered = (count: number, prefix = 'v'): string[] => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** A test of the suite: opens a log, runs, closes it. */
export type Say = (name: string, body: (trial: Trial, t: TestContext) => Promise<void>, options?: { readonly clock?: 'simulated' | undefined; readonly needs?: (log: Log) => boolean }) => void
