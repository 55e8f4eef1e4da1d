/** `sluice group list|describe|reset`: who reads a log together, how far they are, and where they go on. */
import { Option } from 'commander'
import type { Command } from 'commander'
import type { Admin, GroupDescription, Log, TopicPartition } from '../../log/index.ts'
import { UsageError } from '../failure.ts'
import { addLogOption, collectNumbers, jsonLine, startOf, tableText, withLog } from '../log/open.ts'
import type { LogOptions } from '../log/open.ts'
import type { Session } from '../session.ts'

interface ListOptions extends LogOptions {
  readonly format: 'text' | 'json'
}

interface ResetOptions extends ListOptions {
  readonly topic?: string
  readonly partition: readonly number[]
  readonly to: string
  readonly execute?: boolean
  readonly force?: boolean
}

export function define(command: Command, session: Session): void {
  const { stdout } = session.io
  withFormat(addLogOption(command.command('list').description('List the groups.'))).action(async (options: ListOptions) => {
    await withLog(options, session, async ({ admin }) => {
      const groups = await describeAll(admin)
      const rows = groups.map(({ group, state, members, offsets }) => [group, state, members.length, offsets.reduce((sum, { lag }) => sum + lag, 0n)])
      stdout.write(options.format === 'json' ? groups.map(jsonLine).join('') : groups.length === 0 ? 'There are no groups.\n' : tableText(['group', 'state', 'members', 'lag'], rows))
    })
  })
  withFormat(addLogOption(command.command('describe <group>').description('Show members, offsets and lag of a group.'))).action(async (group: string, options: ListOptions) => {
    await withLog(options, session, async ({ admin }) => {
      const described = await known(admin, group)
      stdout.write(options.format === 'json' ? jsonLine(described) : groupText(described))
    })
  })
  withFormat(addLogOption(command.command('reset <group>').description('Set where a group goes on. Without --execute it is only shown.')))
    .option('--topic <name>', 'of this topic only')
    .option('--partition <n>', 'of this partition only; may be repeated', collectNumbers('--partition'), [])
    .requiredOption('--to <where>', 'earliest, latest, an offset, a time, or how long ago, such as -15m')
    .option('--execute', 'do it')
    .option('--force', 'take out the members that the group has; those that are alive join again and go on from there')
    .action((group: string, options: ResetOptions) => withLog(options, session, log => reset(log, group, options, session)))
}

function withFormat(command: Command): Command {
  return command.addOption(new Option('--format <format>', 'how it is printed').choices(['text', 'json']).default('text'))
}

async function describeAll(admin: Admin): Promise<GroupDescription[]> {
  const described: GroupDescription[] = []
  for (const group of await admin.listGroups()) described.push(await admin.describeGroup(group))
  return described
}

async function known(admin: Admin, group: string): Promise<GroupDescription> {
  const described = await admin.describeGroup(group)
  if (described.state !== 'dead' || described.offsets.length > 0 || described.members.length > 0) return described
  throw new UsageError('CLI_USAGE', `There is no group "${group}".`, 'sluice group list shows what there is.')
}

async function reset({ admin }: Log, group: string, options: ResetOptions, session: Session): Promise<void> {
  const { stdout, stderr } = session.io
  const { members, offsets } = await admin.describeGroup(group)
  const partitions = await partitionsOf(admin, group, options, offsets)
  const start = startOf(options.to, '--to', Date.now())
  const places = await admin.offsets(partitions.map(partition => ({ ...partition, start })))
  const before = new Map(offsets.map(({ topic, partition, offset }) => [`${topic} ${partition}`, offset]))
  const rows = places.map(({ topic, partition, offset }) => ({ topic, partition, from: before.get(`${topic} ${partition}`), to: offset }))
  if (members.length > 0 && options.force !== true) {
    throw new UsageError('LOG_GROUP_BUSY', `The group "${group}" has ${members.length} ${members.length === 1 ? 'member' : 'members'}: ${members.map(({ client }) => client).join(', ')}.`, 'Stop what reads with it, then reset it; --force takes its members out.')
  }
  if (options.execute === true) {
    if (members.length > 0) await admin.removeMembers(group)
    await admin.resetOffsets(group, places)
  }
  stdout.write(options.format === 'json' ? rows.map(row => jsonLine({ group, ...row })).join('') : tableText(['topic', 'partition', 'from', 'to'], rows.map(({ topic, partition, from, to }) => [topic, partition, from?.toString() ?? '-', to])))
  if (options.execute !== true) stderr.write('Nothing was changed: add --execute to do it.\n')
}

async function partitionsOf(admin: Admin, group: string, { topic, partition: wanted }: ResetOptions, offsets: readonly TopicPartition[]): Promise<TopicPartition[]> {
  if (topic === undefined) {
    if (wanted.length > 0) throw new UsageError('CLI_USAGE', '--partition needs --topic.')
    if (offsets.length === 0) throw new UsageError('CLI_USAGE', `The group "${group}" has no offsets.`, 'Name a topic by --topic.')
    return offsets.map(({ topic: name, partition }) => ({ topic: name, partition }))
  }
  const [described] = await admin.describeTopics([topic])
  const all = described?.partitions.map(({ partition }) => partition) ?? []
  const missing = wanted.find(partition => !all.includes(partition))
  if (missing !== undefined) throw new UsageError('CLI_USAGE', `"${topic}" has no partition ${missing}: it has ${all.length}, counted from 0.`)
  return (wanted.length > 0 ? wanted : all).map(partition => ({ topic, partition }))
}

function groupText({ group, state, assignor, members, offsets }: GroupDescription): string {
  const owner = (topic: string, partition: number): string => members.find(({ partitions }) => partitions.some(each => each.topic === topic && each.partition === partition))?.client ?? '-'
  const head = `${group}: ${state}${assignor === undefined ? '' : `, shared out by ${assignor}`}, ${members.length} ${members.length === 1 ? 'member' : 'members'}\n`
  if (offsets.length === 0) return `${head}No offsets are committed.\n`
  return head + tableText(['topic', 'partition', 'offset', 'lag', 'read by'], offsets.map(({ topic, partition, offset, lag }) => [topic, partition, offset, lag, owner(topic, partition)]))
}
