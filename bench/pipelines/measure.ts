/** Runs one or several commands at the same time and measures them from the outside. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Command {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Measured {
  readonly seconds: number
  /** Sum over the commands. */
  readonly cpu_seconds: number
  /** Sum over the commands of the most each one held. */
  readonly peak_rss_bytes: number
  /** What each command wrote to its standard output. */
  readonly printed: readonly string[]
}

interface Usage {
  readonly seconds: number
  readonly commands: readonly { readonly status: number; readonly cpu_seconds: number; readonly peak_rss_bytes: number }[]
}

/** Throws, with what the command said, where one ends with another status than 0. `folder` takes what the commands print. */
export function measure(commands: readonly Command[], folder: string): Measured {
  const jobs = commands.map(({ argv, env }, index) => ({ argv, env: env ?? {}, out: join(folder, `printed-${index}`) }))
  const result = spawnSync('python3', [join(import.meta.dirname, 'measure.py'), JSON.stringify(jobs)], { encoding: 'utf8' })
  if (result.error !== undefined || result.status !== 0) throw new Error(`measure: python3 is needed to measure children. ${result.error?.message ?? result.stderr}`)
  const usage = JSON.parse(result.stdout) as Usage // Printed by measure.py.
  for (const [index, { status }] of usage.commands.entries()) {
    if (status === 0) continue
    const job = jobs[index]
    throw new Error(`${job?.argv.join(' ')} ended with ${status}\n${readFileSync(`${job?.out}.err`, 'utf8').slice(-2000)}`)
  }
  return {
    seconds: usage.seconds,
    cpu_seconds: usage.commands.reduce((sum, command) => sum + command.cpu_seconds, 0),
    peak_rss_bytes: usage.commands.reduce((sum, command) => sum + command.peak_rss_bytes, 0),
    printed: jobs.map(job => readFileSync(job.out, 'utf8')),
  }
}
