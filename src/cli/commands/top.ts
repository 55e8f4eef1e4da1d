/** `sluice top [ADDRESS]`: looks at a pipeline that runs in another process, through its admin server. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Option } from 'commander'
import type { Command } from 'commander'
import { parseDuration } from '../../base/index.ts'
import { bottleneckText, troubleOf, visible } from '../../observe/index.ts'
import type { Figures } from '../../observe/index.ts'
import { History } from '../dashboard/history.ts'
import { remoteRun } from '../dashboard/watched.ts'
import type { Watched } from '../dashboard/watched.ts'
import { UsageError } from '../failure.ts'
import { count, short } from '../numbers.ts'
import { paint } from '../paint.ts'
import { hasUnicode } from '../progress-display.ts'
import type { Session } from '../session.ts'

interface TopOptions {
  readonly json?: boolean
  readonly interval: number
  readonly count?: number
}

export function define(command: Command, session: Session): void {
  command
    .argument('[address]', 'HOST:PORT of the admin server (--admin of sluice run); SLUICE_ADMIN where none is given')
    .option('--json', 'print all figures as a line of JSON for each interval')
    .addOption(new Option('--interval <time>', 'between two lines, where there is no terminal').argParser(intervalOf).default(1000, '1s'))
    .addOption(new Option('--count <n>', 'end after so many lines').argParser(countOf))
    .addHelpText('after', '\nSLUICE_ADMIN_TOKEN is sent where it is set. Without a terminal a line is printed for each interval.\n')
    .action((address: string | undefined, options: TopOptions) => top(address, options, session))
}

function intervalOf(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms < 100) throw new UsageError('CLI_USAGE', `--interval takes a time of at least 100ms, not "${text}".`)
  return ms
}

function countOf(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError('CLI_USAGE', `--count takes a number from 1 on, not "${text}".`)
  return Number(text)
}

async function top(given: string | undefined, options: TopOptions, session: Session): Promise<void> {
  const { io } = session
  const address = given ?? io.env['SLUICE_ADMIN'] ?? ''
  if (address === '') throw new UsageError('CLI_USAGE', 'No address: sluice top HOST:PORT, or SLUICE_ADMIN.', 'It is the one that sluice run --admin was given.')
  const watched = remoteRun(address, io.env['SLUICE_ADMIN_TOKEN'])
  // Who is not there at the beginning is told of at once, and not in a frame.
  await watched.figures()
  if (io.stdout.isTerminal && options.json !== true && options.count === undefined) await screen(watched, session)
  else await lines(watched, options, session)
}

async function screen(watched: Watched, { io }: Session): Promise<void> {
  const { showDashboard } = await import('../dashboard/show.ts')
  const { promise, resolve } = Promise.withResolvers<void>()
  const shown = await showDashboard({ watched, paint: paint(io.stdout.colors), unicode: hasUnicode(io.env), onQuit: resolve, quits: 'quit' })
  const undo = io.onSignal(() => resolve())
  await promise
  undo()
  await shown.close()
}

async function lines(watched: Watched, { json, interval, count: most = Infinity }: TopOptions, { io }: Session): Promise<void> {
  const history = new History()
  const stop = new AbortController()
  const undo = io.onSignal(() => stop.abort())
  try {
    for (let printed = 0; printed < most && !stop.signal.aborted; printed++) {
      if (printed > 0) await sleep(interval, undefined, { signal: stop.signal }).catch(() => undefined)
      const figures = await watched.figures()
      if (figures === undefined) continue
      history.add(performance.now(), figures)
      const text = json === true ? JSON.stringify(figures) : lineOf(history, figures, interval)
      if (!(await io.output(Buffer.from(`${text}\n`)))) return
    }
  } finally {
    undo()
  }
}

function lineOf(history: History, now: Figures, interval: number): string {
  const rate = (of: (figures: Figures) => number): string => `${short(Math.max(0, history.rate(of, interval / 1000)))}/s`
  const out = ({ events_out: taken }: Figures): number => taken
  return `${now.pipeline}  ${now.state}  in ${count(now.events_in)} (${rate(({ events_in: read }) => read)})  out ${count(out(now))} (${rate(out)})  dead letters ${count(now.dead_lettered)}  ${visible(troubleOf(now) ?? bottleneckText(now, history.ago(10)))}`
}
