/**
 * The text of the dashboard: from figures to lines that fit a terminal. Nothing here writes to it.
 *
 *     demo  running  0:34   generation 2                                   2 workers   0.1 of 64 MiB under way
 *     bottleneck: source "in" (waited for 94 % of the time); ...
 *
 *     source in        generate  ▁▂▃▅▇▇▇▇     20.0k/s   2.3 MiB/s  waited 94 %
 *       |              20.0k/s
 *     stage  check     validate  ▁▂▃▅▇▇▇▇     20.0k/s  1.2 us each  busy  2 %
 *     sink   out       discard   ▁▂▃▅▇▇▇▇     19.9k/s   2.2 MiB/s  busy  1 %
 */
import { stripVTControlCharacters } from 'node:util'
import { formatSize } from '../../base/index.ts'
import { bottleneckText, troubleOf, visible } from '../../observe/index.ts'
import type { Figures, Histogram, TroubleFigures } from '../../observe/index.ts'
import { clockTime, count, counted, short } from '../numbers.ts'
import type { Paint } from '../paint.ts'
import type { Counter, History } from './history.ts'

export interface Looks {
  readonly columns: number
  readonly rows: number
  readonly unicode: boolean
  readonly paint: Paint
  /** Stages by the time that they take, instead of the order of the pipeline. */
  readonly sorted: boolean
  /** The component that keys are about: `stages.ID`, and so on. */
  readonly selected?: string | undefined
  /** Events at a component, the last ones last. */
  readonly tap?: { readonly title: string; readonly lines: readonly string[] } | undefined
  /** What was done last, or what is wrong. */
  readonly note: string
  /** Why nothing is known any more; what is shown is what was known last. */
  readonly lost?: string | undefined
  /** Keys that can be pressed. */
  readonly keys: string
}

interface Row {
  readonly kind: 'source' | 'stage' | 'sink'
  readonly id: string
  readonly type: string
  readonly events: Counter
  readonly more: string
  /** Share of the time, 0 to 1, and what it is of. */
  readonly share: number
  readonly what: string
  readonly trouble?: TroubleFigures | undefined
}

const BARS = { unicode: ' ▁▂▃▄▅▆▇█', plain: ' .:-=+*#@' }

/** One character for each value, as high as it is beside the greatest. */
export function sparkline(values: readonly number[], width: number, unicode: boolean): string {
  const marks = unicode ? BARS.unicode : BARS.plain
  const most = Math.max(...values, 0)
  const line = values.slice(-width).map(value => (most <= 0 ? marks[0] : marks[Math.max(value > 0 ? 1 : 0, Math.round((value / most) * (marks.length - 1)))])).join('')
  return line.padStart(width)
}

/** A bar of `width` characters, filled to the share. */
export function bar(share: number, width: number, unicode: boolean): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width)
  return (unicode ? '█' : '#').repeat(full) + (unicode ? '░' : '.').repeat(width - full)
}

const percent = (share: number): string => `${Math.round(Math.min(1, Math.max(0, share)) * 100)} %`.padStart(5)
const perSecond = (rate: number): string => `${short(Math.max(0, rate))}/s`

export function screenLines(history: History, looks: Looks): string[] {
  const { last: now } = history
  const { columns, rows, paint } = looks
  if (now === undefined) return [cut(looks.lost ?? (looks.note === '' ? 'Waiting for the pipeline.' : looks.note), columns)]
  const head = [
    ...headLines(now, looks), '', ...componentLines(history, now, looks), '', ...workerLines(history, now, looks), ...latencyLines(history, now, columns), ...errorLines(now, looks),
  ].map(line => (typeof line === 'string' ? cut(line, columns) : line.paint(cut(line.text, columns))))
  const foot = [...tapLines(looks), ...noteLines(looks), paint.dim(cut(looks.keys, columns))]
  const room = Math.max(1, rows - foot.length - 1)
  const shown = head.length <= room ? head : [...head.slice(0, room - 1), paint.dim(cut(`... ${head.length - room + 1} more lines: enlarge the window`, columns))]
  return [...shown, ...foot]
}

/** At most a third of the screen: what is wrong with an edit comes with its place. */
function noteLines({ note, rows, columns, paint }: Looks): string[] {
  if (note === '') return []
  const lines = visibleLines(note).flatMap(line => (line.startsWith(' ') ? [cut(line, columns)] : wrapped(line, columns)))
  const most = Math.max(1, Math.floor(rows / 3))
  return (lines.length <= most ? lines : [...lines.slice(0, most - 1), '~']).map(paint.yellow)
}

/** Without colours of its own: only what has a known width can be cut. */
function visibleLines(text: string): string[] {
  return stripVTControlCharacters(text).split(/\r?\n/).map(line => visible(line).replaceAll('\t', ' ')).filter(line => line !== '')
}

/** Lines that are no wider, broken where there is a space. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const at = space > 0 ? space : width
    lines.push(rest.slice(0, at).trimEnd())
    rest = rest.slice(at).trimStart()
  }
  return rest === '' ? lines : [...lines, rest]
}

/** At most a third of the screen. */
function tapLines({ tap, rows, columns, paint }: Looks): string[] {
  if (tap === undefined || rows < 12) return []
  const most = Math.max(1, Math.floor(rows / 3) - 1)
  return [paint.bold(cut(tap.title, columns)), ...tap.lines.slice(-most).map(line => cut(line, columns))]
}

/** Names of all components, as they stand on the screen. */
export function componentNames(history: History, sorted: boolean): string[] {
  const { last: now } = history
  if (now === undefined) return []
  return [...now.sources.map(({ id }) => `sources.${id}`), ...stagesOf(history, now, sorted).map(({ id }) => `stages.${id}`), ...now.sinks.map(({ id }) => `sinks.${id}`)]
}

/** Lines for what can't be reached, at most. */
const TROUBLE_LINES = 3

type Line = string | { readonly text: string; readonly paint: (text: string) => string }

function headLines(now: Figures, { columns, paint, lost }: Looks): Line[] {
  if (lost !== undefined) return wrapped(`${now.pipeline}  no answer; it was ${now.state}, as below, ${clockTime(now.seconds)} after its start. ${visible(lost)}`, columns).map(text => ({ text, paint: paint.red }))
  const left = `${now.pipeline}  ${now.state}${troubleOf(now) === undefined ? '' : ', unreachable'}  ${clockTime(now.seconds)}${now.generation > 1 ? `  generation ${now.generation}` : ''}`
  const right = `${formatSize(now.in_flight_bytes)} of ${formatSize(now.memory_bytes)} under way`
  const gap = columns - left.length - right.length
  const trouble = troubleOf(now)
  const why = trouble === undefined ? [] : wrapped(visible(trouble), columns).slice(0, TROUBLE_LINES)
  return [{ text: gap > 1 ? left + ' '.repeat(gap) + right : left, paint: paint.bold }, ...why.map(text => ({ text, paint: paint.red }))]
}

function componentLines(history: History, now: Figures, { columns, paint, unicode, sorted, selected }: Looks): Line[] {
  const share = (of: Counter): number => history.rate(of)
  const by = <T extends { readonly id: string }>(list: (figures: Figures) => readonly T[], id: string, of: (each: T) => number): Counter => figures => {
    const found = list(figures).find(each => each.id === id)
    return found === undefined ? undefined : of(found)
  }
  const rows: Row[] = [
    ...now.sources.map((each): Row => ({
      kind: 'source', id: each.id, type: each.type, events: by(({ sources }) => sources, each.id, ({ events }) => events), what: 'waited',
      more: `${formatSize(history.rate(by(({ sources }) => sources, each.id, ({ bytes }) => bytes)))}/s${each.lag === undefined ? '' : `, ${count(each.lag)} behind`}`,
      share: share(by(({ sources }) => sources, each.id, ({ waited_seconds: seconds }) => seconds)),
      trouble: each.trouble,
    })),
    ...stagesOf(history, now, sorted).map((each): Row => {
      const events = by(({ stages }) => stages, each.id, ({ events: given }) => given)
      const busy = share(by(({ stages }) => stages, each.id, ({ busy_seconds: seconds }) => seconds))
      const rate = history.rate(events)
      return { kind: 'stage', id: each.id, type: each.type, events, more: [...(rate > 0 ? [`${eachTime(busy / rate)} each`] : []), ...times(history, ({ stages }) => stages.find(({ id }) => id === each.id)?.latency)].join(', '), share: busy / Math.max(1, now.workers.length), what: 'busy', trouble: each.trouble }
    }),
    ...now.sinks.map((each): Row => ({
      kind: 'sink', id: each.id, type: each.type, events: by(({ sinks }) => sinks, each.id, ({ events }) => events), what: 'busy',
      more: `${formatSize(history.rate(by(({ sinks }) => sinks, each.id, ({ bytes }) => bytes)))}/s${each.backlog > 0 ? `, ${each.backlog} wait` : ''}${each.retries > 0 ? `, ${count(each.retries)} retries` : ''}${times(history, ({ sinks }) => sinks.find(({ id }) => id === each.id)?.latency).map(text => `, ${text}`).join('')}`,
      share: share(by(({ sinks }) => sinks, each.id, ({ busy_seconds: seconds }) => seconds)),
      trouble: each.trouble,
    })),
  ]
  const names = Math.min(24, Math.max(...rows.map(({ id }) => id.length)))
  const types = Math.min(14, Math.max(...rows.map(({ type }) => type.length)))
  const spark = Math.max(0, Math.min(60, columns - names - types - 72))
  return rows.map(({ kind, id, type, events, more, share: part, what, trouble }): Line => {
    const line = [
      `${kind.padEnd(6)} ${selected === `${kind}s.${id}` ? '>' : ' '}${cut(id, names).padEnd(names)}`, cut(type, types).padEnd(types), ...(spark > 3 ? [sparkline(history.rates(events, spark), spark, unicode)] : []), perSecond(history.rate(events)).padStart(9),
      `${what} ${percent(part)}`.padStart(12), bar(part, 10, unicode), trouble === undefined ? more : `tried again, ${counted(trouble.attempts, 'failed attempt')}`,
    ].join('  ')
    if (trouble !== undefined) return { text: line, paint: paint.red }
    return { text: line, paint: part > 0.8 && what === 'busy' ? paint.yellow : kind === 'stage' ? text => text : paint.cyan }
  })
}

function stagesOf(history: History, now: Figures, sorted: boolean): Figures['stages'] {
  if (!sorted) return now.stages
  const busy = (id: string): number => history.rate(({ stages }) => stages.find(each => each.id === id)?.busy_seconds)
  return now.stages.toSorted((a, b) => busy(b.id) - busy(a.id))
}

/** How long a batch was in a part, or a write took. */
function times(history: History, of: (figures: Figures) => Histogram | undefined): string[] {
  const [half, most] = [history.latency(0.5, of), history.latency(0.99, of)]
  return half === undefined || most === undefined ? [] : [`p50 ${longTime(half)} p99 ${longTime(most)}`]
}

const longTime = (seconds: number): string => (seconds === Infinity ? 'over 60 s' : eachTime(seconds))

function eachTime(seconds: number): string {
  if (seconds < 1e-3) return `${short(seconds * 1e6)} us`
  return seconds < 1 ? `${short(seconds * 1e3)} ms` : `${short(seconds)} s`
}

function workerLines(history: History, now: Figures, { columns, rows, unicode }: Looks): Line[] {
  const most = Math.max(1, rows - now.sources.length - now.stages.length - now.sinks.length - 14)
  const lines = now.workers.slice(0, most).map((_, at): Line => {
    const share = (of: 'busy_seconds' | 'held_seconds' | 'idle_seconds'): number => history.rate(({ workers }) => workers[at]?.[of])
    const width = Math.max(4, Math.min(40, columns - 60))
    return `worker ${String(at).padEnd(3)} ${bar(share('busy_seconds'), width, unicode)}  busy ${percent(share('busy_seconds'))}  held ${percent(share('held_seconds'))}  idle ${percent(share('idle_seconds'))}`
  })
  const hidden = now.workers.length - lines.length
  return [...wrapped(bottleneckText(now, history.ago(10)), columns), ...lines, ...(hidden > 0 ? [`... and ${hidden} more workers`] : [])]
}

function latencyLines(history: History, now: Figures, columns: number): Line[] {
  const at = (share: number): string => {
    const found = history.latency(share)
    return found === undefined ? '-' : longTime(found)
  }
  const lines = [`latency p50 ${at(0.5)}  p99 ${at(0.99)} from reading to the last sink`, `in ${count(now.events_in)}   filtered ${count(now.filtered)}   dead letters ${count(now.dead_lettered)}`]
  const one = lines.join('   ')
  return one.length <= columns ? [one] : lines
}

function errorLines({ errors }: Figures, { paint }: Looks): Line[] {
  return errors.toSorted((a, b) => b.events - a.events).slice(0, 5).map(({ id, code, events }): Line => ({ text: `dead letters of ${id}: ${count(events)} ${code}`, paint: paint.red }))
}

/** `~` stands for what is left out: one character wide on every terminal. */
function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}~`
}
