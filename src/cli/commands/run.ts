/**
 * `sluice run FILE`: runs a pipeline to its end, or until it is told to stop.
 *
 * Standard output carries data only: what the pipeline's own `stdout` sinks write, and the report where `--report json` asks for it.
 */
import { writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { Option, type Command } from 'commander'
import type { Report } from '../../engine/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import { reason } from '../input.ts'
import { requireFile } from '../load.ts'
import { collectSettings } from '../settings.ts'
import type { Settings } from '../settings.ts'
import { openJournal, showsSummary } from '../journal/journal.ts'
import { journalOptions, logOptions } from '../journal/options.ts'
import type { LogOptions } from '../journal/options.ts'
import { paint } from '../paint.ts'
import { runWithProgress } from '../run-with-progress.ts'
import type { Session } from '../session.ts'
import { summaryText } from '../summary-text.ts'

export interface RunCommandOptions extends LogOptions {
  readonly workers?: number | 'auto'
  readonly set: Settings
  readonly report?: 'json'
  readonly reportFile?: string
  readonly failOnDeadLetters?: boolean
  readonly inputDeadLetters?: string
  readonly progress: 'auto' | 'bar' | 'lines' | 'none'
  readonly watch?: boolean
  readonly admin?: string
  readonly dashboard?: boolean
}

export function define(command: Command, session: Session): void {
  command
    .argument('<file>', 'the pipeline: YAML, or a TypeScript module with a default export')
    .addOption(new Option('-w, --workers <n>', 'worker threads, instead of what the pipeline says').argParser(workersOf))
    .option('-s, --set <key=value>', 'set a value of the pipeline, such as memory=256MiB; may be repeated', collectSettings, {})
    .addOption(new Option('--report <format>', 'print a final report to standard output').choices(['json']))
    .option('--report-file <file>', 'write the final report, as JSON, to this file')
    .option('--fail-on-dead-letters', 'exit with 3 if any event went to the dead letters')
    .option('--input-dead-letters <file>', 'read the events of this dead letter file instead of the sources')
    .addOption(new Option('--progress <kind>', 'how progress is shown').choices(['auto', 'bar', 'lines', 'none']).default('auto'))
    .option('--watch', 'take the pipeline\'s file up again whenever it changes')
    .addOption(new Option('--admin <host:port>', 'serve health, metrics and the admin interface; elsewhere than on this machine only with SLUICE_ADMIN_TOKEN').env('SLUICE_ADMIN'))
    .option('--dashboard', 'show what flows, what is busy and what is wrong, on the whole terminal')
    .addOption(logOptions().level)
    .addOption(logOptions().format)
    .option('-q, --quiet', 'no progress and no summary; warnings and errors only')
    .addHelpText('after', '\nThe first Ctrl-C finishes what is under way, a second one stops at once. SIGHUP reads the file again, as --watch does.\n\nExamples:\n  sluice run pipeline.yaml\n  sluice run pipeline.yaml --workers 2 --set state=.state --report json\n')
    .action(async (file: string, options: RunCommandOptions) => {
      session.exitCode = await runCommand(file, options, session)
    })
}

function workersOf(text: string): number | 'auto' {
  if (text === 'auto') return text
  const workers = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(workers <= 256)) throw new UsageError('CLI_USAGE', `--workers takes a number from 0 to 256, or auto, not "${text}".`)
  return workers
}

async function runCommand(file: string, options: RunCommandOptions, session: Session): Promise<ExitCode> {
  const { io } = session
  // First of all: whoever reads records gets what is wrong with the call as one.
  session.journal = await openJournal(io, journalOptions(options))
  requireFile(file, io)
  if (options.inputDeadLetters !== undefined) requireFile(options.inputDeadLetters, io)
  const { report, cut } = await runWithProgress(file, options, session)
  if (showsSummary(session.journal)) io.stderr.write(summaryText(report, paint(io.stderr.colors), path => shownPath(io.folder, path)))
  tellReport(report, options, session)
  if (cut || report.stopped_by === 'failure') return EXIT.failed
  return options.failOnDeadLetters === true && report.dead_lettered > 0 ? EXIT.deadLetters : EXIT.done
}

function tellReport(report: Report, options: RunCommandOptions, { io }: Session): void {
  if (options.report === 'json') io.stdout.write(`${JSON.stringify(report)}\n`)
  if (options.reportFile === undefined) return
  try {
    writeFileSync(resolve(io.folder, options.reportFile), `${JSON.stringify(report, null, 2)}\n`)
  } catch (error) {
    throw new UsageError('CLI_USAGE', `The report can't be written to ${options.reportFile}: ${reason(error)}.`)
  }
}

/** A path as seen from where the command was called, if that is the shorter way to say it. */
function shownPath(folder: string, path: string): string {
  const seen = relative(folder, resolve(folder, path))
  return seen !== '' && seen.length < path.length ? seen : path
}
