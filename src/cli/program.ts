/**
 * The command line as a whole: which commands there are, and how wrong use is answered.
 *
 * Each command is one file in `commands/`. Only the file of the command that was called is loaded; the table here holds what the overview needs.
 */
import { Command, CommanderError } from 'commander'
import { SluiceError, suggest } from '../base/index.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { UsageError, codeOf, describeError, exitCodeOf } from './failure.ts'
import type { Io } from './io.ts'
import { paint } from './paint.ts'
import { newSession } from './session.ts'
import type { Session } from './session.ts'

/** What each file in `commands/` exports. */
interface CommandFile {
  /** Adds arguments, options and the action. */
  define(command: Command, session: Session): void
}
interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<CommandFile>
}

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'run', summary: 'run a pipeline', load: () => import('./commands/run.ts') },
  { name: 'process', summary: 'move rows from Kafka, files or an API into a bucket, a file or the standard output, by flags alone', load: () => import('./commands/process.ts') },
  { name: 'top', summary: 'look at a pipeline that runs', load: () => import('./commands/top.ts') },
  { name: 'tap', summary: 'show events on their way through a pipeline that runs', load: () => import('./commands/tap.ts') },
  { name: 'check', summary: 'check a pipeline without running it', load: () => import('./commands/check.ts') },
  { name: 'probe', summary: 'test every connection of a pipeline', load: () => import('./commands/probe.ts') },
  { name: 'test', summary: 'run the config tests beside a pipeline', load: () => import('./commands/test.ts') },
  { name: 'echo', summary: 'show a pipeline after includes, templates and variables', load: () => import('./commands/echo.ts') },
  { name: 'list', summary: 'list the sources, stages, sinks, formats and functions', load: () => import('./commands/list.ts') },
  { name: 'create', summary: 'write a commented pipeline: create file/filter,map/file, or a plug-in: create plugin NAME', load: () => import('./commands/create.ts') },
  { name: 'init', summary: 'make a small project that runs', load: () => import('./commands/init.ts') },
  { name: 'try', summary: 'evaluate an expression', load: () => import('./commands/try.ts') },
  { name: 'topic', summary: 'create, list, describe, alter and delete topics of a log', load: () => import('./commands/topic.ts') },
  { name: 'produce', summary: 'write lines to a topic of a log', load: () => import('./commands/produce.ts') },
  { name: 'consume', summary: 'print records of a topic of a log', load: () => import('./commands/consume.ts') },
  { name: 'group', summary: 'list, describe and reset the groups that read a log', load: () => import('./commands/group.ts') },
  { name: 'log', summary: 'verify and dump the files of a log', load: () => import('./commands/log.ts') },
  { name: 'explain', summary: 'tell what an error code means and what to do', load: () => import('./commands/explain.ts') },
  { name: 'completion', summary: 'print a completion script for bash, zsh or fish', load: () => import('./commands/completion.ts') },
]

const EXAMPLES = `
Examples:
  sluice init my-pipelines              a small project to start from
  sluice run pipeline.yaml              run it
  sluice check pipeline.yaml            find everything that is wrong with it
  sluice try 'event.delay / 60.0' --event flight.json

Exit codes: 0 done, 1 failed while running, 2 wrong config or usage, 3 dead letters with --fail-on-dead-letters.
`

/** Runs one call of `sluice`; resolves with the exit code and never throws. */
export async function runProgram(args: readonly string[], io: Io, version: string): Promise<ExitCode> {
  const session = newSession(io, version)
  const program = await buildProgram(session, calledNames(args))
  try {
    await program.parseAsync([...args], { from: 'user' })
    return session.exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
    const told = error instanceof CommanderError ? usageError(error, program, args) : error
    tellError(told, session)
    return exitCodeOf(told)
  } finally {
    session.journal?.close()
  }
}

/** In the form in which the run has told all else: who collects records can't read text. */
function tellError(error: unknown, { io, journal }: Session): void {
  if (journal?.format !== 'json') io.stderr.write(describeError(error, paint(io.stderr.colors)))
  else journal.tell({ level: 'error', kind: 'failed', text: error instanceof Error ? error.message : String(error), fields: { code: codeOf(error) ?? 'INTERNAL', ...(error instanceof SluiceError && error.place !== undefined ? { where: error.place } : {}) } })
}

/** The program with the given commands loaded; the others are known by name and summary only. */
export async function buildProgram(session: Session, load: (name: string) => boolean): Promise<Command> {
  const { io } = session
  const program = new Command('sluice')
    .description('Event pipelines: move, check, transform and watch events, and never lose one silently.')
    .version(session.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', EXAMPLES)
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      getOutHelpWidth: () => Math.min(io.stdout.columns, 120),
      outputError: () => undefined, // Told by runProgram, with a code and a cure.
    })
    .showSuggestionAfterError(false)
    .exitOverride()
  for (const { name, summary, load: loadFile } of COMMANDS) {
    const command = program.command(name).description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`).summary(summary).helpOption('-h, --help', 'show this help')
    if (load(name)) (await loadFile()).define(command, session)
  }
  return program
}

/** The command that is called, and the one whose help is asked for. */
function calledNames(args: readonly string[]): (name: string) => boolean {
  const words = args.filter(word => !word.startsWith('-')).slice(0, 2)
  const called = words[0] === 'help' ? words[1] : words[0]
  return name => name === called
}

/** Commander's complaint in our words. */
function usageError(error: CommanderError, program: Command, args: readonly string[]): UsageError {
  const called = program.commands.find(command => command.name() === args.find(word => !word.startsWith('-')))
  const help = `See sluice ${called === undefined ? '--help' : `${called.name()} --help`}.`
  const message = sentence(error.message.replace(/^error: /, ''))
  switch (error.code) {
    case 'commander.unknownCommand':
    case 'commander.excessArguments':
      return called === undefined ? unknownCommand(args, program) : new UsageError('CLI_USAGE', message, help)
    case 'commander.unknownOption':
      return unknownOption(/'(.+)'/.exec(error.message)?.[1] ?? '', called ?? program, help)
    case 'commander.help':
      return new UsageError('CLI_USAGE', 'No command was given.', help)
    default:
      return new UsageError('CLI_USAGE', message, help)
  }
}

function unknownCommand(args: readonly string[], program: Command): UsageError {
  const word = args.find(arg => !arg.startsWith('-')) ?? ''
  const near = suggest(word, program.commands.map(command => command.name()))
  const isFile = /\.(ya?ml|ts|js|mjs)$/.test(word)
  const hint = isFile ? `Did you mean "sluice run ${word}"?` : near === undefined ? 'See sluice --help.' : `Did you mean "${near}"?`
  return new UsageError('CLI_UNKNOWN_COMMAND', `There is no command "${word}".`, hint)
}

function unknownOption(option: string, command: Command, help: string): UsageError {
  const [name = ''] = option.split('=')
  const known = [...command.options, ...command.createHelp().visibleOptions(command)].flatMap(({ long, short }) => [long, short]).filter(one => one !== undefined && one !== null)
  const near = suggest(name, known)
  const where = command.parent === null ? '' : ` of sluice ${command.name()}`
  return new UsageError('CLI_UNKNOWN_OPTION', `There is no option "${name}"${where}.`, near === undefined ? help : `Did you mean ${near}?`)
}

function sentence(text: string): string {
  const whole = `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
  return /[.?!]$/.test(whole) ? whole : `${whole}.`
}
