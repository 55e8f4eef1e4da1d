/** The benchmark table of the README, made from the newest committed results. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Results, Summary } from '../../bench/pipelines/report.ts'

const START = '<!-- benchmark: made by tools/build-docs.ts -->'
const END = '<!-- end of benchmark -->'

const JOBS: Readonly<Record<string, string>> = { j1: 'check and pass on', j2: 'filter and project', j3: 'validate, enrich, mask', 'j2-module': 'filter and project in TypeScript' }

/** The README with its table brought up to date. Without results it stays as it is. */
export function withBenchmarkTable(readme: string, root: string): string {
  const path = globSync('bench/pipelines/results/*.json', { cwd: root }).sort().at(-1)
  const from = readme.indexOf(START)
  const to = readme.indexOf(END)
  if (path === undefined || from === -1 || to === -1) return readme
  const results = JSON.parse(readFileSync(join(root, path), 'utf8')) as Results // Written by bench/pipelines/run.ts.
  return `${readme.slice(0, from + START.length)}\n${benchmarkText(results, path)}\n${readme.slice(to)}`
}

function benchmarkText({ summary, machine, date }: Results, path: string): string {
  const jobs = [...new Set(summary.map(row => row.job))]
  const systems = [...new Set(summary.map(row => row.system))].filter(system => !system.includes('halves'))
  const head = `| M events/s (CPU s per M) | ${jobs.map(job => JOBS[job] ?? job).join(' | ')} |`
  const rows = systems.map(system => `| ${system} | ${jobs.map(job => figure(summary.find(row => row.system === system && row.job === job))).join(' | ')} |`)
  const rounds = summary[0]?.rounds ?? 0
  const about = `Medians of ${rounds} alternating rounds, file to file, 247-byte JSON events, start-up included, outputs proven equal; ${machine.cores} cores (${machine.cpu}), ${date}.`
  return [head, `| --- |${' ---: |'.repeat(jobs.length)}`, ...rows, '', `${about} [Raw results](${path}), [how it is measured](bench/pipelines/JOBS.md).`].join('\n')
}

function figure(row: Summary | undefined): string {
  return row === undefined ? '' : `${(row.events_per_second / 1e6).toFixed(2)} (${row.cpu_seconds_per_million.toFixed(2)})`
}
