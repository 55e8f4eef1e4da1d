/**
 * `sluice consume TOPIC`: prints records of a topic, from one place to another, or on and on.
 *
 * With `--group` the position of the group is committed after what was read has been written out: a reader that is killed prints some records again, and misses none.
 */
import { Option } from 'commander'
import type { Command } from 'commander'
import { recordsOf } from '../../log/index.ts'
import type { Fetched, Isolation, Log, OffsetToCommit, Start, TopicPartition } from '../../log/index.ts'
import { UsageError } from '../failure.ts'
import { formatterOf } from '../log/record-text.ts'
import type { Formatter } from '../log/record-text.ts'
import { addLogOption, collectNumbers, startOf, wholeNumber, withLog } from '../log/open.ts'
import type { LogOptions } from '../log/open.ts'
import type { Session } from '../session.ts'

interface ConsumeOptions extends LogOptions {
  readonly from?: string
  readonly until?: string
  readonly follow?: boolean
  readonly partition: readonly number[]
  readonly group?: string
  readonly count?: number
  readonly format: string
  readonly isolation: Isolation
}

export function define(command: Command, session: Session): void {
  addLogOption(command.argument('<topic>', 'what to read'))
    .option('--from <where>', 'earliest, latest, an offset, a time, or how long ago, such as -15m (default earliest, or where the group is)')
    .option('--until <where>', 'latest (as it is at the start), an offset, a time, or how long ago (default latest)')
    .option('-f, --follow', 'wait for more instead of ending')
    .option('-p, --partition <n>', 'this partition only; may be repeated', collectNumbers('--partition'), [])
    .option('-g, --group <name>', 'read as a member of a group, and commit what was printed')
    .addOption(new Option('-n, --count <n>', 'end after so many records').argParser(wholeNumber('--count', 0)))
    .option('--format <format>', 'value, json, or a template: %t topic, %p partition, %o offset, %T time in ms, %k key, %s value, %h headers, \\n, \\t', 'value')
    .addOption(new Option('--isolation <level>', 'what is seen of transactions').choices(['read_committed', 'read_uncommitted']).default('read_committed'))
    .addHelpText('after', '\nExamples:\n  sluice consume readings --count 10\n  sluice consume readings --from -15m --format json\n  sluice consume readings --follow --format "%p %o %k %s\\n"\n')
    .action(async (topic: string, options: ConsumeOptions) => {
      if (options.follow === true && options.until !== undefined) throw new UsageError('CLI_USAGE', 'Give either --follow or --until.')
      if (options.group !== undefined && options.partition.length > 0) throw new UsageError('CLI_USAGE', 'A group shares the partitions out by itself: --partition can\'t be given with --group.')
      const from = options.from === undefined ? undefined : startOf(options.from, '--from', Date.now())
      const until = options.follow === true ? undefined : startOf(options.until ?? 'latest', '--until', Date.now())
      const format = formatterOf(options.format)
      await withLog(options, session, log => consume(log, topic, { options, from, until, format }, session))
    })
}

interface Reading {
  readonly options: ConsumeOptions
  readonly from: Start | undefined
  /** Undefined: on and on. */
  readonly until: Start | undefined
  readonly format: Formatter
}

async function consume(log: Log, topic: string, reading: Reading, session: Session): Promise<void> {
  const { options, from, until } = reading
  const partitions = await partitionsOf(log, topic, options.partition)
  const ends = until === undefined ? undefined : new Map((await log.admin.offsets(partitions.map(partition => ({ ...partition, start: until })))).map(({ partition, offset }) => [partition, offset]))
  const stop = new AbortController()
  const undo = session.io.onSignal(() => stop.abort())
  const { isolation, group } = options
  const consumer = group === undefined ? log.consumer({ isolation }) : log.group({ group, topics: [topic], isolation, ...(from === undefined ? {} : { start: from }) })
  try {
    if ('join' in consumer) await consumer.join({ signal: stop.signal })
    else await consumer.assign(partitions.map(partition => ({ ...partition, start: from ?? 'earliest' })))
    const printing = new Printing(reading, session, ends)
    const isOver = (): boolean => ends !== undefined && consumer.assigned.every(partition => (consumer.position(partition) ?? 0n) >= (ends.get(partition.partition) ?? 0n))
    while (!stop.signal.aborted && !printing.isFull && !isOver()) {
      const fetched = await consumer.fetch({ signal: stop.signal }).catch((error: unknown) => {
        if (stop.signal.aborted) return []
        throw error
      })
      const printed = await printing.print(fetched)
      if (printed === undefined) return
      if ('commit' in consumer && printed.length > 0) await consumer.commit(printed)
    }
  } finally {
    undo()
    await consumer.close()
  }
}

async function partitionsOf(log: Log, topic: string, wanted: readonly number[]): Promise<TopicPartition[]> {
  const [described] = await log.admin.describeTopics([topic])
  const all = described?.partitions.map(({ partition }) => partition) ?? []
  const missing = wanted.find(partition => !all.includes(partition))
  if (missing !== undefined) throw new UsageError('CLI_USAGE', `"${topic}" has no partition ${missing}: it has ${all.length}, counted from 0.`)
  return (wanted.length > 0 ? wanted : all).map(partition => ({ topic, partition }))
}

/** Writes records out, up to the ends and the count. */
class Printing {
  readonly #reading: Reading
  readonly #session: Session
  readonly #ends: ReadonlyMap<number, bigint> | undefined
  #count = 0

  constructor(reading: Reading, session: Session, ends: ReadonlyMap<number, bigint> | undefined) {
    this.#reading = reading
    this.#session = session
    this.#ends = ends
  }

  get isFull(): boolean {
    const { count } = this.#reading.options
    return count !== undefined && this.#count >= count
  }

  /** Answers the offsets behind what was written; undefined where nobody reads the output any more. */
  async print(fetched: readonly Fetched[]): Promise<OffsetToCommit[] | undefined> {
    const parts: Uint8Array[] = []
    const behind: OffsetToCommit[] = []
    for (const { topic, partition, bytes, from, next } of fetched) {
      const end = this.#ends?.get(partition)
      let offset = next
      for (const record of recordsOf(bytes)) {
        if (record.offset < from) continue
        if (this.isFull || (end !== undefined && record.offset >= end)) {
          offset = record.offset
          break
        }
        this.#count++
        parts.push(...this.#reading.format(topic, partition, record))
      }
      behind.push({ topic, partition, offset })
    }
    return (await this.#session.io.output(Buffer.concat(parts))) ? behind : undefined
  }
}
