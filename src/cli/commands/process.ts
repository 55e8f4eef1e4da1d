/**
 * `sluice process`: from Kafka, files or an API into a bucket, a file or the standard output, by flags alone.
 *
 * It is nothing but a pipeline: the flags are put together, checked against each other, and become the text of a pipeline's file, which runs as `sluice run` would run it.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import type { Io } from '../io.ts'
import { combine } from '../process/combinations.ts'
import { dryRunText } from '../process/dry-run.ts'
import { FLAG_NAMES, flagOf, keyOf, variableOf } from '../process/flags.ts'
import type { FlagName, Values } from '../process/flags.ts'
import { openJournal, showsSummary } from '../journal/journal.ts'
import { pipelineOf, textOf } from '../process/pipeline.ts'
import { settle, shownFlag } from '../process/values.ts'
import type { Flags } from '../process/values.ts'
import { paint } from '../paint.ts'
import { runWithProgress } from '../run-with-progress.ts'
import type { Session } from '../session.ts'
import { summaryText } from '../summary-text.ts'

const AFTER = `
A setting is taken from its flag, else from its environment variable, else from its key in the YAML file of --config, else its default holds. Lists have
commas in one text; fields and headers stand on lines of their own, or are a map in the file.

From Kafka, files, and APIs that are asked again and again, each row is in exactly one object of the bucket, also after a crash.

Examples:
  sluice process --source kafka --topic data-input --workers 10 --s3-bucket results
  sluice process --source file data1.json data2.json --filter 'event.price > 10'
  sluice process --source api --url https://api.example/rows --s3-bucket my-bucket --timeout 60s
  sluice process --config orders.yaml --dry-run
`

export function define(command: Command, session: Session): void {
  command.argument('[file...]', `with --source file: ${aboutOf('files')}`)
  for (const name of FLAG_NAMES) if (name !== 'files') command.addOption(optionOf(name))
  command
    .addOption(new Option('--config <file>', `YAML file with these settings (${variableOf('config')})`).helpGroup(flagOf('workers').group))
    .addHelpText('after', AFTER)
    .action(async (files: string[], _options: unknown, called: Command) => {
      session.exitCode = await processCommand({ ...flagsOf(called), files }, session)
    })
}

/** The text of the help: what it is, its key, its variable, its default. */
function aboutOf(name: FlagName): string {
  const { about, otherwise } = flagOf(name)
  return `${about} (${keyOf(name)}, ${variableOf(name)}${otherwise === undefined ? '' : `; default: ${otherwise}`})`
}

function optionOf(name: FlagName): Option {
  const { kind, group, secret } = flagOf(name)
  const option = new Option(`--${name}${kind.argument === undefined ? '' : ` ${kind.argument}`}`, aboutOf(name)).helpGroup(group)
  if (kind.repeats) option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text])
  return secret === true ? option.hideHelp().argParser(refuseSecret(name)) : option
}

/** Everybody on a machine sees the arguments of its processes. */
function refuseSecret(name: FlagName): () => never {
  return () => {
    throw new UsageError('CLI_USAGE', `A ${name === 'notify-secret' ? 'secret' : 'password'} is not given by a flag, which others on this machine could see. Set ${variableOf(name)}.`)
  }
}

/** What was given on the command line, by the names of the flags. */
function flagsOf(command: Command): Flags {
  const given: unknown = command.opts()
  const values = given as Readonly<Record<string, string | boolean | readonly string[]>> // Made by the options above.
  return Object.fromEntries(command.options.flatMap(option => (values[option.attributeName()] === undefined ? [] : [[option.name(), values[option.attributeName()]]])))
}

/** What was asked for, as settings and as the pipeline that they mean. */
interface Asked {
  readonly values: Values
  readonly pipeline: ReturnType<typeof pipelineOf>
  readonly text: string
  readonly env: Io['env']
}

async function processCommand(flags: Flags, session: Session): Promise<ExitCode> {
  const { io } = session
  const settled = await settle(flags, io)
  const values = combine(settled)
  const journal = await openJournal(io, { level: values['log-level'] ?? 'info', format: values['log-format'] ?? 'pretty' })
  session.journal = journal
  for (const strange of settled.strange) journal.tell({ level: 'warn', kind: 'message', text: strange })
  requireFiles(values, io.folder)
  const pipeline = pipelineOf(values, io.folder)
  const text = await textOf(pipeline)
  const asked: Asked = { values, pipeline, text, env: environmentOf(values, io.env) }
  if (values['print-pipeline'] === true) {
    io.stdout.write(text)
    return EXIT.done
  }
  return values['dry-run'] === true ? tryOut(asked, session) : run(asked, session)
}

/** Checks the pipeline, tells the plan, and looks whether all it connects to is there. Throws CONFIG_... with all problems. */
async function tryOut({ values, pipeline, text, env }: Asked, session: Session): Promise<ExitCode> {
  const { io } = session
  const [{ configOrThrow, loadPipeline }, { registry }, { textInstead }, { tellConnections }] = await Promise.all([import('../../pipeline/index.ts'), import('../../registry.ts'), import('../../runtime.ts'), import('./probe.ts')])
  const config = configOrThrow(await loadPipeline(SHOWN, registry, { workingFolder: io.folder, env, ...textInstead(resolve(io.folder, SHOWN), text) }))
  io.stdout.write(`${dryRunText(pipeline, values)}\n`)
  return tellConnections(config, registry, session)
}

/** The environment of the pipeline, which names the variables of secrets wherever those came from. */
function environmentOf(values: Values, env: Io['env']): Io['env'] {
  const secrets = (['sasl-password', 'notify-secret'] as const).flatMap(name => (values[name] === undefined ? [] : [[variableOf(name), values[name]]]))
  return { ...env, ...Object.fromEntries(secrets) as Readonly<Record<string, string>> } // Secrets are texts.
}

const NAMED_FILES = ['validate', 'tls-ca', 'tls-cert', 'tls-key'] as const

/** Files that were named and are not there are told by the name of their flag. */
function requireFiles(values: Values, folder: string): void {
  for (const name of NAMED_FILES) {
    const file = values[name]
    if (file !== undefined && !existsSync(resolve(folder, file))) throw new UsageError('CLI_FILE_MISSING', `${shownFlag(name)}: ${file} can't be read: it is not there.`)
  }
  for (const file of values.files ?? []) {
    if (!/[*?[\]{}]/.test(file) && !existsSync(resolve(folder, file))) throw new UsageError('CLI_FILE_MISSING', `${file} can't be read: it is not there.`)
  }
}

/** What stands for a file's name in messages. */
const SHOWN = 'sluice process --print-pipeline'

async function run({ values, pipeline, text, env }: Asked, session: Session): Promise<ExitCode> {
  const { io, journal } = session
  const port = values['metrics-port']
  const { report, cut } = await runWithProgress(SHOWN, { set: {}, progress: 'auto', text, env, ...(port === undefined ? {} : { admin: String(port) }) }, session)
  if (showsSummary(journal)) io.stderr.write(summaryText(report, paint(io.stderr.colors), path => path))
  if (report.events_in === 0 && typeof pipeline['state'] === 'string' && values.source !== 'kafka') journal?.tell({ level: 'info', kind: 'message', text: `Nothing was new: ${pipeline['state']} holds what was done. Remove it to begin anew, or give --state none to keep nothing.` })
  return cut || report.stopped_by === 'failure' ? EXIT.failed : EXIT.done
}
