/** A run with its display: progress, messages and signals. */
import type { PipelineConfig, Report } from '../engine/index.ts'
import { Messages } from '../observe/index.ts'
import type { Level } from '../observe/index.ts'
import type { RunCommandOptions } from './commands/run.ts'
import { ProgressDisplay, hasUnicode } from './progress-display.ts'
import { paint } from './paint.ts'
import { messageText } from './session.ts'
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
  /** Least level of messages. */
  readonly level?: Level
  /** The text of the pipeline, and what its variables stand for, where it is in no file. */
  readonly text?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

type ProgressKind = 'bar' | 'lines' | 'none'

export async function runWithProgress(file: string, options: ProgressOptions, session: Session): Promise<Ended> {
  const { io } = session
  const { runFile } = await import('../runtime.ts')
  const kind = progressKind(options, session)
  const display = new ProgressDisplay(file, io.stderr, { live: kind === 'bar', unicode: hasUnicode(io.env) })
  const colors = paint(io.stderr.colors)
  const messages = new Messages((level, text) => display.print(messageText(level, text, colors)), options.level)
  const stopping = new Stopping(io, text => messages.info(text))
  const reloading = new Reloading(io, messages, options.watch === true)
  try {
    const report = await runFile(file, {
      folder: io.folder,
      ...(options.workers === undefined ? {} : { workers: options.workers }),
      overrides: options.set,
      ...(options.inputDeadLetters === undefined ? {} : { inputDeadLetters: options.inputDeadLetters }),
      ...(options.text === undefined ? {} : { text: options.text }),
      ...(options.env === undefined ? {} : { env: options.env }),
      signal: stopping.drain,
      stopNow: stopping.now,
      onRunning: running => reloading.begin(running),
      onLoaded: config => display.about(config.name, kind === 'bar' && writesToTerminal(config, session)),
      ...(kind === 'none' ? {} : { onProgress: progress => display.show(progress) }),
      progressInterval: kind === 'bar' ? BAR_INTERVAL_MS : LINES_INTERVAL_MS,
      onWarning: (place, message) => messages.warn(`${place}: ${message}`),
    })
    return { report, cut: stopping.now.aborted || (stopping.drain.aborted && report.in_flight > 0) }
  } finally {
    display.clear()
    reloading.close()
    stopping.close()
  }
}

/** A bar needs a terminal. Builds and services get plain lines. */
function progressKind({ progress, quiet }: RunCommandOptions, { io }: Session): ProgressKind {
  if (quiet === true) return 'none'
  if (progress !== 'auto') return progress
  const isBuild = io.env.CI !== undefined && io.env.CI !== '' && io.env.CI !== 'false'
  return io.stderr.isTerminal && !isBuild ? 'bar' : 'lines'
}

/** True where the pipeline's own output goes to the very terminal that a bar would be drawn on. */
function writesToTerminal({ sinks }: PipelineConfig, { io }: Session): boolean {
  return io.stdout.isTerminal && sinks.some(sink => sink.type === 'stdout')
}
