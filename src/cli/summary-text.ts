/**
 * What a person reads when a run has ended.
 *
 *     flights  done in 11.2s
 *       in            3,000,000 events, 13 MiB
 *       out             412,004 late
 *                           312 routes
 *       filtered      2,587,890
 *       dead letters        106 failed.ndjson
 *       267k events/s   21.3s of CPU   180 MiB at most   2 workers
 *       bottleneck: stage "score" (61 % of the workers' time); 2 workers
 */
import { formatDuration, formatSize } from '../base/index.ts'
import type { Report } from '../engine/index.ts'
import { count, counted, short } from './numbers.ts'
import type { Paint } from './paint.ts'

/** Seconds. */
const BOTTLENECK_FROM = 2

interface Row {
  readonly name: string
  readonly value: number
  readonly note: string
  readonly color?: (text: string) => string
}

export function summaryText(report: Report, paint: Paint, showPath: (path: string) => string): string {
  const rows = summaryRows(report, paint, showPath)
  const nameWidth = Math.max(...rows.map(row => row.name.length))
  const valueWidth = Math.max(...rows.map(row => count(row.value).length))
  const lines = rows.map(({ name, value, note, color = text => text }) => {
    const figure = color(count(value).padStart(valueWidth))
    return `  ${paint.dim(name.padEnd(nameWidth))}  ${figure} ${note}`.trimEnd()
  })
  const figures = [
    `${short(report.events_per_second)} events/s`,
    `${formatDuration(report.cpu_seconds * 1000)} of CPU`,
    `${formatSize(report.peak_rss_bytes)} at most`,
    counted(report.workers, 'worker'),
  ]
  // Of a short run it would say nothing but how it started.
  const bottleneck = report.bottleneck === undefined || report.seconds < BOTTLENECK_FROM ? [] : [`  ${paint.dim(report.bottleneck)}`]
  return [`${paint.bold(report.pipeline)}  ${ending(report, paint)}`, ...lines, `  ${paint.dim(figures.join('   '))}`, ...bottleneck, ''].join('\n')
}

function ending({ stopped_by, seconds, in_flight }: Report, paint: Paint): string {
  const time = formatDuration(seconds * 1000)
  if (stopped_by === 'end of input') return `${paint.green('done')} in ${time}`
  if (stopped_by === 'failure') return `${paint.red('failed')} after ${time}`
  return in_flight > 0 ? `${paint.red('stopped at once')} after ${time}` : `${paint.yellow('stopped')} after ${time}, nothing left under way`
}

function summaryRows(report: Report, paint: Paint, showPath: (path: string) => string): Row[] {
  const out = Object.entries(report.events_out).map(([sink, value], place) => ({ name: place === 0 ? 'out' : '', value, note: sink, color: paint.green }))
  const rows: Row[] = [{ name: 'in', value: report.events_in, note: `${report.events_in === 1 ? 'event' : 'events'}, ${formatSize(report.bytes_in)}` }]
  if (report.created > 0) rows.push({ name: 'made', value: report.created, note: 'by stages: sums, parts, copies' })
  rows.push(...out)
  if (report.filtered > 0) rows.push({ name: 'filtered', value: report.filtered, note: 'left out or summed up by stages' })
  if (report.dead_lettered > 0) rows.push({ name: 'dead letters', value: report.dead_lettered, note: report.dead_letters === undefined ? '' : showPath(report.dead_letters), color: paint.red })
  if (report.in_flight > 0) rows.push({ name: 'under way', value: report.in_flight, note: 'not finished', color: paint.yellow })
  if (report.retries > 0) rows.push({ name: 'retries', value: report.retries, note: '' })
  return rows
}
