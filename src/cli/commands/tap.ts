/** `sluice tap COMPONENT [ADDRESS]`: shows events on their way through a pipeline that runs in another process, through its admin server. */
import { Option } from 'commander'
import type { Command } from 'commander'
import type { TapSample } from '../../engine/index.ts'
import { AdminClient } from '../admin/client.ts'
import { visible } from '../../observe/index.ts'
import { UsageError } from '../failure.ts'
import { count } from '../numbers.ts'
import { paint } from '../paint.ts'
import type { Session } from '../session.ts'
import { sampleText, tapPath, toldText } from '../tap-text.ts'
import type { TapTold } from '../tap-text.ts'

interface TapOptions {
  readonly before?: boolean
  readonly after?: boolean
  readonly filter?: string
  readonly limit?: number
  readonly rate?: number
  readonly json?: boolean
}

export function define(command: Command, session: Session): void {
  command
    .argument('<component>', 'id of a source, a stage or a sink; sinks.ID where a stage has the same; dead_letters')
    .argument('[address]', 'HOST:PORT of the admin server (--admin of sluice run); SLUICE_ADMIN where none is given')
    .addOption(new Option('--before', 'what it is given (the only side of a sink)').conflicts('after'))
    .option('--after', 'what it hands on (default; the only side of a source)')
    .option('--filter <expression>', 'only events for which it is true, such as event.delay > 60')
    .addOption(new Option('--limit <n>', 'end after so many events').argParser(text => numberOf('--limit', text)))
    .addOption(new Option('--rate <n>', 'events a second, at most').argParser(text => numberOf('--rate', text)).default(undefined, '100'))
    .option('--json', 'print events as lines of JSON, with their source, time and key')
    .addHelpText('after', `
A tap shows samples: it takes a small share of the workers' time, and what is beyond is not looked at. What this terminal is too slow for is dropped and counted.
Fields that a mask stage of the pipeline names are masked wherever the tap looks. SLUICE_ADMIN_TOKEN is sent where it is set.
`)
    .action((component: string, address: string | undefined, options: TapOptions) => tap(component, address, options, session))
}

function numberOf(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError('CLI_USAGE', `${option} takes a number from 1 on, not "${text}".`)
  return Number(text)
}

async function tap(component: string, given: string | undefined, { before, after, filter, limit, rate, json }: TapOptions, session: Session): Promise<void> {
  const { io } = session
  const address = given ?? io.env['SLUICE_ADMIN'] ?? ''
  if (address === '') throw new UsageError('CLI_USAGE', 'No address: sluice tap COMPONENT HOST:PORT, or SLUICE_ADMIN.', 'It is the one that sluice run --admin was given.')
  const client = new AdminClient(address, io.env['SLUICE_ADMIN_TOKEN'])
  const pipeline = await client.pipeline()
  if (pipeline === undefined) throw new UsageError('CLI_USAGE', 'No pipeline is open there.', 'Try again when it has begun.')
  const stop = new AbortController()
  const undo = io.onSignal(() => stop.abort())
  const side = before === true ? 'before' : after === true ? 'after' : undefined
  const say = (text: string): void => io.stderr.write(`${text}\n`)
  let last: TapTold = {}
  try {
    for await (const line of client.lines(tapPath(pipeline, { component, side, filter, limit, rate }), stop.signal)) {
      const told = (JSON.parse(line) as { readonly tap?: TapTold }).tap // Its own answer.
      if (told !== undefined) {
        if (told.looked !== undefined) last = told
        toldText(told).forEach(say)
      } else if (!(await io.output(Buffer.from(`${json === true ? (io.stdout.isTerminal ? visible(line) : line) : sampleText(JSON.parse(line) as TapSample, line, paint(io.stdout.colors))}\n`)))) break // Its own answer.
    }
  } finally {
    undo()
    stop.abort()
  }
  const { looked = 0, shown = 0, dropped = 0 } = last
  say(`${count(looked)} events looked at, ${count(shown)} shown${dropped > 0 ? `, ${count(dropped)} dropped: they came too fast for whoever reads this` : ''}.`)
}
