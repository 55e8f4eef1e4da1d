/** What a benchmark run leaves behind: the raw rows, their medians, and a table of them. */
import { cpus, release, totalmem } from 'node:os'
import type { Job } from './systems.ts'

/** One run of one system on one job. */
export interface Row {
  readonly round: number
  readonly job: Job
  readonly system: string
  readonly events: number
  readonly bytes: number
  readonly seconds: number
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
  /** Processes that wanted to run in the minute before, as the kernel counts them: what else the machine did. */
  readonly load_before: number
}

/** Medians over the rounds. Rates include the start-up. */
export interface Summary {
  readonly job: Job
  readonly system: string
  readonly events: number
  readonly rounds: number
  readonly events_per_second: number
  readonly slowest: number
  readonly fastest: number
  readonly mb_per_second: number
  readonly cpu_seconds_per_million: number
  readonly peak_rss_bytes: number
  /** Seconds for an input of a thousand events. */
  readonly start_seconds: number
}

export interface Results {
  readonly date: string
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly missing: readonly string[]
  readonly notes: readonly string[]
  readonly summary: readonly Summary[]
  readonly rows: readonly Row[]
  readonly starts: readonly Row[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory_gb: number
  readonly kernel: string
  readonly output_on: string
}

export function describeMachine(outputFolder: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    output_on: outputFolder.startsWith('/dev/shm') ? 'tmpfs' : 'disk',
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2
}

export function summarize(rows: readonly Row[], starts: readonly Row[]): Summary[] {
  const groups = Map.groupBy(rows, row => `${row.job} ${row.system}`)
  return [...groups.values()].map(group => {
    const [first] = group as [Row, ...Row[]] // A group has at least one row.
    const rates = group.map(row => row.events / row.seconds)
    const own = starts.filter(row => row.job === first.job && row.system === first.system)
    return {
      job: first.job,
      system: first.system,
      events: first.events,
      rounds: group.length,
      events_per_second: Math.round(median(rates)),
      slowest: Math.round(Math.min(...rates)),
      fastest: Math.round(Math.max(...rates)),
      mb_per_second: Math.round(median(group.map(row => row.bytes / row.seconds / 1e6))),
      cpu_seconds_per_million: Number(median(group.map(row => (row.cpu_seconds / row.events) * 1e6)).toFixed(3)),
      peak_rss_bytes: median(group.map(row => row.peak_rss_bytes)),
      start_seconds: Number(median(own.map(row => row.seconds)).toFixed(3)),
    }
  })
}

/** The summary as a table in Markdown. */
export function tableOf(summary: readonly Summary[]): string {
  const lines = [
    '| job | system | M events/s | (slowest to fastest) | MB/s | CPU s per M events | peak MB | start s | events |',
    '| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |',
  ]
  const millions = (value: number): string => (value / 1e6).toFixed(2)
  for (const row of summary) {
    const cells = [
      row.job.toUpperCase().replace('-MODULE', ' module'),
      row.system,
      millions(row.events_per_second),
      `${millions(row.slowest)} to ${millions(row.fastest)}`,
      row.mb_per_second,
      row.cpu_seconds_per_million.toFixed(2),
      Math.round(row.peak_rss_bytes / 1e6),
      row.start_seconds.toFixed(2),
      `${row.events / 1e6} M`,
    ]
    lines.push(`| ${cells.join(' | ')} |`)
  }
  return lines.join('\n')
}
