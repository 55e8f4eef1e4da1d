/** `sluice topic create|list|describe|alter|delete`: the topics of a log. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../base/index.ts'
import type { Durability, TopicDescription, TopicSettings } from '../../log/index.ts'
import { UsageError } from '../failure.ts'
import { addLogOption, jsonLine, tableText, wholeNumber, withLog } from '../log/open.ts'
import type { LogOptions } from '../log/open.ts'
import type { Session } from '../session.ts'

interface SettingOptions extends LogOptions {
  readonly partitions?: number
  readonly replicas?: number
  readonly retention?: number
  readonly retentionBytes?: number
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete'
  readonly segmentBytes?: number
  readonly segmentAge?: number
  readonly maxBatch?: number
  readonly durability?: Durability
  readonly timestamps?: 'create' | 'append'
}

interface ListOptions extends LogOptions {
  readonly all?: boolean
  readonly format: 'text' | 'json'
}

export function define(command: Command, session: Session): void {
  const { stdout } = session.io
  withSettings(command.command('create <name>').description('Create a topic.'))
    .addOption(new Option('--replicas <n>', 'copies of each record; Kafka only').argParser(wholeNumber('--replicas', 1)))
    .action(async (name: string, options: SettingOptions) => {
      const { partitions = 1, replicas } = options
      await withLog(options, session, async log => {
        await log.admin.createTopics([{ name, partitions, replicas, settings: settingsOf(options) }])
        stdout.write(`${name}: ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}; ${log.describe()}\n`)
      }, true)
    })
  withFormat(addLogOption(command.command('list').description('List the topics.')))
    .option('--all', 'those of the log itself too')
    .action(async (options: ListOptions) => {
      await withLog(options, session, async ({ admin }) => {
        const topics = (await admin.describeTopics(await admin.listTopics())).filter(({ internal }) => !internal || options.all === true)
        stdout.write(options.format === 'json' ? topics.map(jsonLine).join('') : listText(topics))
      })
    })
  withFormat(addLogOption(command.command('describe <name...>').description('Show partitions and settings of topics.')))
    .action(async (names: string[], options: ListOptions) => {
      await withLog(options, session, async log => {
        const topics = await log.admin.describeTopics(names)
        stdout.write(options.format === 'json' ? topics.map(jsonLine).join('') : topics.map(topic => `${topicText(topic)}  ${log.describe()}\n`).join('\n'))
      })
    })
  withSettings(command.command('alter <name>').description('Change settings of a topic, or give it more partitions.')).action(async (name: string, options: SettingOptions) => {
    const settings = settingsOf(options)
    if (Object.keys(settings).length === 0 && options.partitions === undefined) throw new UsageError('CLI_USAGE', 'Nothing to change was given.', 'See sluice topic alter --help.')
    await withLog(options, session, async ({ admin }) => {
      await admin.alterTopic(name, { settings, partitions: options.partitions })
      stdout.write(topicText((await admin.describeTopics([name]))[0]))
    })
  })
  addLogOption(command.command('delete <name...>').description('Delete topics with all that is in them.')).action(async (names: string[], options: LogOptions) => {
    await withLog(options, session, async ({ admin }) => {
      await admin.deleteTopics(names)
      stdout.write(names.map(name => `${name}: deleted\n`).join(''))
    })
  })
}

function withFormat(command: Command): Command {
  return command.addOption(new Option('--format <format>', 'how it is printed').choices(['text', 'json']).default('text'))
}

function withSettings(command: Command): Command {
  return addLogOption(command)
    .addOption(new Option('-p, --partitions <n>', 'number of partitions').argParser(wholeNumber('--partitions', 1)))
    .addOption(new Option('--retention <time>', 'how long records are kept, such as 7d, or forever').argParser(orForever('--retention', parseDuration)))
    .addOption(new Option('--retention-bytes <size>', 'bytes of a partition that are kept, such as 10GiB, or forever').argParser(orForever('--retention-bytes', parseSize)))
    .addOption(new Option('--cleanup <how>', 'drop what is old, or keep the newest record of each key').choices(['delete', 'compact', 'compact,delete']))
    .addOption(new Option('--segment-bytes <size>', 'bytes of a segment').argParser(parsed('--segment-bytes', parseSize)))
    .addOption(new Option('--segment-age <time>', 'when a segment is closed though it is not full').argParser(parsed('--segment-age', parseDuration)))
    .addOption(new Option('--max-batch <size>', 'bytes of a batch of records at most').argParser(parsed('--max-batch', parseSize)))
    .addOption(new Option('--durability <what>', 'what an acknowledgement means: fsync, os, or interval:100ms; not for Kafka').argParser(durabilityOf))
    .addOption(new Option('--timestamps <whose>', 'the time of the producer stays, or the log puts its own').choices(['create', 'append']))
}

function parsed(option: string, parse: (text: string) => number | undefined): (text: string) => number {
  return text => {
    const value = parse(text)
    if (value === undefined) throw new UsageError('CLI_USAGE', `${option} takes a value such as ${option.endsWith('age') || option === '--retention' ? '10m, 12h or 7d' : '512KiB or 10GiB'}, not "${text}".`)
    return value
  }
}

function orForever(option: string, parse: (text: string) => number | undefined): (text: string) => number {
  return text => (text === 'forever' ? -1 : parsed(option, parse)(text))
}

function durabilityOf(text: string): Durability {
  if (text === 'fsync' || text === 'os') return text
  const interval = text.startsWith('interval:') ? parseDuration(text.slice('interval:'.length)) : undefined
  if (interval === undefined) throw new UsageError('CLI_USAGE', `--durability takes fsync, os or interval:TIME, such as interval:100ms; not "${text}".`)
  return { interval }
}

function settingsOf({ retention, retentionBytes, cleanup, segmentBytes, segmentAge, maxBatch, durability, timestamps }: SettingOptions): TopicSettings {
  const all = { retentionMs: retention, retentionBytes, cleanup, segmentBytes, segmentMs: segmentAge, maxBatchBytes: maxBatch, durability, timestamps }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function listText(topics: readonly TopicDescription[]): string {
  if (topics.length === 0) return 'There are no topics.\n'
  const rows = topics.map(({ name, partitions }) => {
    const sizes = partitions.map(({ bytes }) => bytes)
    return [name, partitions.length, partitions.reduce((sum, { start, end }) => sum + end - start, 0n), sizes.includes(undefined) ? '-' : formatSize(sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0))]
  })
  return tableText(['topic', 'partitions', 'records', 'size'], rows)
}

function topicText(topic: TopicDescription | undefined): string {
  if (topic === undefined) return ''
  const { name, partitions, settings } = topic
  const rows = partitions.map(({ partition, start, end, bytes, trouble, quarantined = [] }) => [
    `  ${partition}`, start, end, end - start, bytes === undefined ? '-' : formatSize(bytes), [...(trouble === undefined ? [] : [trouble]), ...quarantined.map(({ from, to }) => `damaged: ${from} to ${to}`)].join('; '),
  ])
  const values = Object.entries(settings).filter(([, value]) => value !== undefined).map(([key, value]) => `  ${key.padEnd(18)} ${settingText(key, value)}\n`)
  return `${name}\n${tableText(['  partition', 'first', 'end', 'records', 'size', 'trouble'], rows)}${values.join('')}`
}

function settingText(key: string, value: unknown): string {
  if (value === -1) return 'forever'
  if (typeof value === 'number') return key.endsWith('Ms') ? formatDuration(value) : key.endsWith('Bytes') ? formatSize(value) : String(value)
  if (typeof value === 'object' && value !== null && 'interval' in value) return `interval:${formatDuration(Number(value.interval))}`
  return String(value)
}
