/**
 * `sluice produce TOPIC`: each line of the standard input becomes a record.
 *
 * Lines are sent without a wait for the ones before, within a limit of bytes; the command ends when all are acknowledged. The first failure ends it: what was acknowledged before
 * is in the log, and `--print-acks` has told which.
 */
import { Option } from 'commander'
import type { Command } from 'commander'
import type { Appended, Compression, Log, ProducerRecord, RecordHeader } from '../../log/index.ts'
import { UsageError } from '../failure.ts'
import { linesOf, until } from '../log/lines.ts'
import { addLogOption, wholeNumber, withLog } from '../log/open.ts'
import type { LogOptions } from '../log/open.ts'
import type { Session } from '../session.ts'

interface ProduceOptions extends LogOptions {
  readonly key?: string
  readonly keySeparator?: string
  readonly partition?: number
  readonly header: readonly string[]
  readonly null?: string
  readonly compression: Compression
  readonly linger: number
  readonly create?: number
  readonly printAcks?: boolean
}

/** Bytes that may wait for their acknowledgement; reading goes on below half of it. */
const WAITING_MAX = 16 * 1024 * 1024
/** Bytes that a record costs beside its line. */
const RECORD_COST = 256

export function define(command: Command, session: Session): void {
  addLogOption(command.argument('<topic>', 'where the records go'))
    .option('-k, --key-separator <text>', 'what stands between key and value in a line; without it lines have no key')
    .option('--key <key>', 'the key of all records')
    .addOption(new Option('-p, --partition <n>', 'the partition of all records; by key, or in turn, by default').argParser(wholeNumber('--partition', 0)))
    .option('-H, --header <name=value>', 'a header of all records; may be repeated', (text: string, before: readonly string[]) => [...before, text], [])
    .option('--null <text>', 'a value that is written as a tombstone')
    .addOption(new Option('--compression <codec>', 'how batches are compressed').choices(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'))
    .addOption(new Option('--linger <ms>', 'milliseconds that a batch waits for more records').default(5).argParser(wholeNumber('--linger', 0)))
    .addOption(new Option('--create <partitions>', 'create the topic if it is not there').argParser(wholeNumber('--create', 1)))
    .option('--print-acks', 'print partition and offset of each acknowledged line')
    .addHelpText('after', '\nExamples:\n  sluice produce readings < readings.ndjson\n  echo "k1:hello" | sluice produce greetings --key-separator : --print-acks\n')
    .action(async (topic: string, options: ProduceOptions) => {
      if (options.key !== undefined && options.keySeparator !== undefined) throw new UsageError('CLI_USAGE', 'Give either --key or --key-separator.')
      if (options.keySeparator === '') throw new UsageError('CLI_USAGE', '--key-separator takes at least one character.')
      const headers = options.header.map(headerOf)
      await withLog(options, session, log => produce(log, topic, options, headers, session), options.create !== undefined)
    })
}

function headerOf(text: string): RecordHeader {
  const at = text.indexOf('=')
  if (at <= 0) throw new UsageError('CLI_USAGE', `--header takes name=value, not "${text}".`)
  return [text.slice(0, at), Buffer.from(text.slice(at + 1))]
}

async function produce(log: Log, topic: string, options: ProduceOptions, headers: readonly RecordHeader[], session: Session): Promise<void> {
  const { io } = session
  if (options.create !== undefined && !(await log.admin.listTopics()).includes(topic)) await log.admin.createTopics([{ name: topic, partitions: options.create }])
  // Said before anything is read, and not with the first line.
  const [described] = await log.admin.describeTopics([topic])
  const count = described?.partitions.length ?? 0
  if (options.partition !== undefined && options.partition >= count) throw new UsageError('CLI_USAGE', `"${topic}" has no partition ${options.partition}: it has ${count}, counted from 0.`)
  const stop = new AbortController()
  const undo = io.onSignal(() => stop.abort())
  const sending = new Sending(log, options, session)
  const toRecord = recordOf(topic, options, headers)
  try {
    for await (const lines of linesOf(until(io.stdin, stop.signal))) {
      for (const line of lines) sending.send(toRecord(line), line.length + RECORD_COST)
      await sending.room()
    }
    await sending.end()
  } finally {
    undo()
  }
  if (options.printAcks !== true) io.stderr.write(`${sending.acknowledged} ${sending.acknowledged === 1 ? 'record' : 'records'} acknowledged.\n`)
}

/** What a line becomes. The producer copies what it is given at once. */
function recordOf(topic: string, { key, keySeparator, partition, null: tombstone }: ProduceOptions, headers: readonly RecordHeader[]): (line: Uint8Array) => ProducerRecord {
  const separator = keySeparator === undefined ? undefined : Buffer.from(keySeparator)
  const fixed = key === undefined ? null : Buffer.from(key)
  const nothing = tombstone === undefined ? undefined : Buffer.from(tombstone)
  const valueOf = (bytes: Uint8Array): Uint8Array | null => (nothing?.equals(bytes) === true ? null : bytes)
  return line => {
    const at = separator === undefined ? -1 : Buffer.from(line.buffer, line.byteOffset, line.length).indexOf(separator)
    const isKeyed = separator !== undefined && at >= 0
    return { topic, partition, headers, key: isKeyed ? line.subarray(0, at) : fixed, value: valueOf(isKeyed ? line.subarray(at + separator.length) : line) }
  }
}

/** Records on their way, within a limit of bytes. */
class Sending {
  acknowledged = 0
  readonly #producer
  readonly #session: Session
  readonly #prints: boolean
  #waiting = 0
  #failure: { readonly error: unknown } | undefined
  #acks = ''
  #wake: (() => void) | undefined

  constructor(log: Log, { compression, linger, printAcks }: ProduceOptions, session: Session) {
    this.#producer = log.producer({ compression, linger })
    this.#session = session
    this.#prints = printAcks === true
  }

  send(record: ProducerRecord, cost: number): void {
    this.#waiting += cost
    this.#producer.send(record).then(
      appended => this.#acked(appended, cost),
      (error: unknown) => {
        this.#failure ??= { error }
        this.#wake?.()
      },
    )
  }

  #acked({ partition, offset }: Appended, cost: number): void {
    this.acknowledged++
    this.#waiting -= cost
    if (this.#prints) this.#acks += `${partition} ${offset}\n`
    if (this.#waiting <= WAITING_MAX / 2) this.#wake?.()
  }

  /** Resolves when there is room for more; throws what failed. */
  async room(most = WAITING_MAX): Promise<void> {
    while (this.#failure === undefined && this.#waiting > most) {
      await new Promise<void>(resolve => (this.#wake = resolve))
      await this.#print()
    }
    await this.#print()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async end(): Promise<void> {
    await this.#producer.flush().catch((error: unknown) => (this.#failure ??= { error }))
    // The acknowledgements of what was flushed are told in the same turn.
    await Promise.resolve()
    await this.room(WAITING_MAX)
  }

  async #print(): Promise<void> {
    if (this.#acks === '') return
    const text = this.#acks
    this.#acks = ''
    await this.#session.io.output(Buffer.from(text))
  }
}
