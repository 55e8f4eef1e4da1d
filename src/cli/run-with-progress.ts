/** A run with its display: progress, messages and signals. */
import type { PipelineConfig, Report } from '../engine/index.ts'
import { Messages, openTelemetry } from '../observe/index.ts'
import type { Telemetry } from '../observe/index.ts'
import { adminAddress } from './admin/address.ts'
import type { AdminServer } from './admin/server.ts'
import type { Shown } from './dashboard/show.ts'
import { ownRun } from './dashboard/watched.ts'
import type { Watched } from './dashboard/watched.ts'
import { UsageError } from './failure.ts'
import { reason } from './input.ts'
import type { RunCommandOptions } from './commands/run.ts'
import { isQuiet, openJournal } from './journal/journal.ts'
import type { Journal } from './journal/journal.ts'
import { journalOptions } from './journal/options.ts'
import { progressNotice } from './journal/progress-notice.ts'
import { ProgressDisplay, hasUnicode } from './progress-display.ts'
import { paint } from './paint.ts'
import type { Session } from './session.ts'
import { Reloading } from './reloading.ts'
import { Stopping } from './stopping.ts'

const BAR_INTERVAL_MS = 100
const LINES_INTERVAL_MS = 5000

export interface Ended {
  readonly report: Report
  /** True where the run was stopped before everything under way had landed. */
  readonly cut: boolean
}

export interface ProgressOptions extends RunCommandOptions {
  /** The text of the pipeline, and what its variables stand for, where it is in no file. */
  readonly text?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

type ProgressKind = 'bar' | 'lines' | 'records' | 'none'

export async function runWithProgress(file: string, options: ProgressOptions, session: Session): Promise<Ended> {
  const { io } = session
  const [{ runFile }, { RunControl }, journal] = await Promise.all([import('../runtime.ts'), import('../engine/index.ts'), session.journal ?? openJournal(io, journalOptions(options))])
  session.journal = journal
  const control = new RunControl()
  const kind = progressKind(options, session, journal)
  let shown: Shown | undefined
  let showing: Promise<void> | undefined
  const display = new ProgressDisplay(file, io.stderr, { live: kind === 'bar', unicode: hasUnicode(io.env) })
  journal.show(text => {
    if (shown?.say(text) !== true) display.print(text)
  })
  const messages = new Messages((level, text) => journal.tell({ level, kind: 'message', text }), journal.level)
  const stopping = new Stopping(io, text => messages.info(text))
  const drain = (): void => stopping.begin('asked for')
  const reloading = new Reloading(io, options.watch === true)
  let admin: AdminServer | undefined
  let telemetry: Telemetry | undefined
  try {
    admin = await openAdmin(options, session, address => messages.info(`Admin: ${address}`))
    telemetry = await openTelemetry(io.env, { version: session.version, figures: () => control.figures, warn: text => messages.warn(text) })
    const report = await runFile(file, {
      folder: io.folder,
      ...(options.workers === undefined ? {} : { workers: options.workers }),
      overrides: options.set,
      ...(options.inputDeadLetters === undefined ? {} : { inputDeadLetters: options.inputDeadLetters }),
      ...(options.text === undefined ? {} : { text: options.text }),
      ...(options.env === undefined ? {} : { env: options.env }),
      signal: stopping.drain,
      control,
      stopNow: stopping.now,
      onRunning(running) {
        reloading.begin(running)
        if (options.dashboard === true) {
          const opening = openDashboard(session, ownRun(control, () => running.reload(), drain), drain)
          showing = opening.then(opened => void (shown = opened), (error: unknown) => messages.warn(`The dashboard can't be shown: ${reason(error)}`))
        }
        admin?.begin({ control, reload: () => running.reload(), drain })
      },
      onLoaded(config) {
        if (options.dashboard === true) checkTerminal(config, session)
        display.about(config.name, kind === 'bar' && writesToTerminal(config, session))
      },
      ...(kind === 'none' ? {} : { onProgress: progress => (kind === 'records' ? journal.tell(progressNotice(progress)) : display.show(progress)) }),
      progressInterval: kind === 'bar' ? BAR_INTERVAL_MS : LINES_INTERVAL_MS,
      onNotice: notice => journal.tell(notice),
      tracing: telemetry?.tracing,
    })
    return { report, cut: stopping.now.aborted || (stopping.drain.aborted && report.in_flight > 0) }
  } finally {
    // A short run may end before the dashboard stands.
    await showing
    await shown?.close()
    display.clear()
    journal.show(text => io.stderr.write(text))
    reloading.close()
    await admin?.close()
    await telemetry?.close()
    stopping.close()
  }
}

function openDashboard({ io }: Session, watched: Watched, drain: () => void): Promise<Shown> {
  return import('./dashboard/show.ts').then(({ showDashboard }) => showDashboard({ watched, paint: paint(io.stdout.colors), unicode: hasUnicode(io.env), onQuit: drain, quits: 'stop the pipeline' }))
}

/** The dashboard has the terminal for itself. */
function checkTerminal({ sources, sinks }: PipelineConfig, { io, journal }: Session): void {
  if (journal?.format === 'json' && io.stderr.isTerminal) throw new UsageError('CLI_USAGE', '--dashboard and --log-format json both want the terminal.', 'Send the records elsewhere: 2> run.log')
  const user = sinks.find(({ type }) => type === 'stdout') ?? sources.find(({ type }) => type === 'stdin')
  if (!io.stdout.isTerminal) throw new UsageError('CLI_USAGE', '--dashboard needs a terminal.', 'Elsewhere use --admin and sluice top.')
  if (user !== undefined) throw new UsageError('CLI_USAGE', `--dashboard needs the terminal for itself, and "${user.id}" uses it too.`, 'Use --admin, and sluice top in another terminal.')
}

/** The admin server, if one is asked for. */
async function openAdmin({ admin }: RunCommandOptions, { io, version }: Session, say: (address: string) => void): Promise<AdminServer | undefined> {
  if (admin === undefined) return undefined
  const token = io.env['SLUICE_ADMIN_TOKEN']
  const address = adminAddress(admin, token)
  const { AdminServer: Server } = await import('./admin/server.ts')
  const server = new Server({ ...address, token, version })
  say(await server.open())
  return server
}

/** A bar needs a terminal. Builds and services get plain lines, and who asked for records gets nothing else. */
function progressKind({ progress, dashboard }: RunCommandOptions, { io }: Session, journal: Journal): ProgressKind {
  if (isQuiet(journal) || dashboard === true || progress === 'none') return 'none'
  if (journal.format === 'json') return 'records'
  if (progress !== 'auto') return progress
  const isBuild = io.env.CI !== undefined && io.env.CI !== '' && io.env.CI !== 'false'
  return io.stderr.isTerminal && !isBuild ? 'bar' : 'lines'
}

/** True where the pipeline's own output goes to the very terminal that a bar would be drawn on. */
function writesToTerminal({ sinks }: PipelineConfig, { io }: Session): boolean {
  return io.stdout.isTerminal && sinks.some(sink => sink.type === 'stdout')
}
