/** `sluice log verify|dump`: looks at the files of a log, and changes nothing. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { formatSize } from '../../base/index.ts'
import { inspection, recordsOf } from '../../log/index.ts'
import type { BatchDump, Finding } from '../../log/index.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import { jsonLine, wholeNumber } from '../log/open.ts'
import { formatterOf } from '../log/record-text.ts'
import { paint } from '../paint.ts'
import type { Session } from '../session.ts'

interface DumpOptions {
  readonly topic?: string
  readonly partition?: number
  readonly from?: number
  readonly records?: boolean
  readonly format: 'text' | 'json'
}

export function define(command: Command, session: Session): void {
  withFormat(command.command('verify <folder>').description('Check every byte of a log\'s folder. Changes nothing and takes no lock; ends with 1 where something is damaged.')).action(async (folder: string, { format }: DumpOptions) => {
    await verify(folder, format, session)
  })
  withFormat(command.command('dump <path>').description('Print the batches of a segment file, or of the partitions in the folder of a log.'))
    .option('--topic <name>', 'of a folder: this topic only')
    .addOption(new Option('--partition <n>', 'of a folder: this partition only').argParser(wholeNumber('--partition', 0)))
    .addOption(new Option('--from <offset>', 'begin with the batch that holds this offset').argParser(wholeNumber('--from', 0)))
    .option('--records', 'print the records of each batch too')
    .action((path: string, options: DumpOptions) => dump(path, options, session))
}

function withFormat(command: Command): Command {
  return command.addOption(new Option('--format <format>', 'how it is printed').choices(['text', 'json']).default('text'))
}

async function verify(folder: string, format: 'text' | 'json', session: Session): Promise<void> {
  const { io } = session
  const at = resolve(io.folder, folder)
  if (!existsSync(at)) throw new UsageError('CLI_FILE_MISSING', `${folder} is not there.`)
  const { findings, files, bytes, batches, records } = await (await inspection()).verifyLog(at)
  const damaged = findings.filter(({ kind }) => kind === 'damage').length
  if (format === 'json') io.stdout.write(jsonLine({ files, bytes, batches, records, damaged, findings }))
  else {
    const colors = paint(io.stdout.colors)
    const shown = { damage: colors.red('damage'), torn: colors.yellow('torn  '), note: colors.dim('note  ') }
    for (const finding of findings) io.stdout.write(`${shown[finding.kind]}  ${findingText(finding)}\n`)
    const verdict = damaged === 0 ? 'ok' : `${damaged} ${damaged === 1 ? 'place is' : 'places are'} damaged`
    io.stdout.write(`${verdict}: ${files} files, ${formatSize(bytes)}, ${batches} batches, ${records} records\n`)
  }
  if (damaged > 0) session.exitCode = EXIT.failed
}

function findingText({ path, at, bytes, from, to, cause }: Finding): string {
  const place = at === undefined ? '' : `, byte ${at}${bytes === undefined ? '' : ` to ${at + bytes - 1}`}`
  const offsets = from === undefined ? '' : to === undefined ? `, from offset ${from} on` : `, offsets ${from} to ${to}`
  return `${path}${place}${offsets}: ${cause}`
}

async function dump(given: string, options: DumpOptions, session: Session): Promise<void> {
  const { io } = session
  const path = resolve(io.folder, given)
  if (!existsSync(path)) throw new UsageError('CLI_FILE_MISSING', `${given} is not there.`)
  const paths = statSync(path).isDirectory() ? segmentsIn(path, options) : [path]
  if (paths.length === 0) throw new UsageError('CLI_FILE_MISSING', `There are no segments in ${given} for what was asked.`)
  const format = formatterOf(options.format === 'json' ? 'json' : '    %o  %k  %s  %h\\n')
  const { dumpSegment } = await inspection()
  const from = BigInt(options.from ?? 0)
  for (const [index, file] of paths.entries()) {
    if (endsBefore(from, file, paths[index + 1])) continue
    if (options.format === 'text' && !(await io.output(Buffer.from(`${file}\n`)))) return
    for await (const batch of dumpSegment(file, undefined, from)) {
      const parts: Uint8Array[] = [Buffer.from(options.format === 'json' ? jsonLine({ path: file, ...batch, data: undefined }) : batchText(batch))]
      if (options.records === true && batch.damage === undefined && batch.control === undefined) for (const record of recordsOf(batch.data)) parts.push(...format(file, 0, record))
      if (!(await io.output(Buffer.concat(parts)))) return
    }
  }
}

/** True if another segment of the same partition begins at or before the offset. */
function endsBefore(from: bigint, file: string, following: string | undefined): boolean {
  return following !== undefined && dirname(following) === dirname(file) && BigInt(basename(following, '.log')) <= from
}

/** The segments of partitions in a folder: of a log, or of one partition. */
function segmentsIn(folder: string, { topic, partition }: DumpOptions): string[] {
  const own = segmentFiles(folder)
  if (own.length > 0) return own
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && /^.+-\d+$/.test(entry.name))
    .map(({ name }) => ({ name, topic: name.replace(/-\d+$/, ''), partition: Number(name.slice(name.lastIndexOf('-') + 1)) }))
    .filter(each => (topic === undefined || each.topic === topic) && (partition === undefined || each.partition === partition))
    .sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    .flatMap(({ name }) => segmentFiles(join(folder, name)))
}

function segmentFiles(folder: string): string[] {
  return readdirSync(folder).filter(name => /^\d{20}\.log$/.test(name)).sort().map(name => join(folder, name))
}

function batchText({ at, bytes, from, to, records, compression, timestamp, producer, transactional, control, damage }: BatchDump): string {
  if (damage !== undefined) return `  at ${at}  ${bytes} bytes  DAMAGED: ${damage}\n`
  const parts = [
    `at ${at}`, `${bytes} bytes`, `offsets ${from} to ${to}`, `${records} ${records === 1 ? 'record' : 'records'}`, ...(compression === 'none' ? [] : [compression]), timestamp < 0 ? 'no time' : new Date(timestamp).toISOString(),
    ...(producer === undefined ? [] : [`producer ${producer.id} epoch ${producer.epoch} sequence ${producer.sequence}`]), ...(control === undefined ? (transactional ? ['in a transaction'] : []) : [control]),
  ]
  return `  ${parts.join('  ')}\n`
}
