/**
 * The progress of a run as lines of text. Pure: what was counted goes in, lines come out.
 *
 *     flights  ███████████▌        62%   8.1 of 13 MiB   0:07, about 0:04 left
 *       in 1,864,210   late 412,004 out   dead letters 106
 *       265k events/s   1.2 MiB/s   2.1 MiB under way
 */
import { formatSize } from '../base/index.ts'
import type { Progress } from '../engine/index.ts'
import { clockTime, count, counted, short } from './numbers.ts'
import type { Paint } from './paint.ts'

export interface ProgressView {
  readonly pipeline: string
  readonly progress: Progress
  /** Per second, over the last seconds. */
  readonly eventRate: number
  readonly byteRate: number
  /** What fits in a line. */
  readonly columns: number
  /** False where the terminal's character set has no block characters. */
  readonly unicode: boolean
  readonly paint: Paint
}

/** A piece of a line: `text` may hold colours, `width` is what a reader sees of it. */
interface Piece {
  readonly text: string
  readonly width: number
}

const GAP = 3
const BAR_MAX = 32
const BAR_MIN = 8

export function progressLines(view: ProgressView): string[] {
  const { progress, paint } = view
  const lines = [headLine(view), fitted('  ', countPieces(view), view.columns), fitted('  ', ratePieces(view), view.columns)]
  if (progress.waiting_for !== undefined) lines.push(fitted('  ', [painted(`stopping: waiting for ${progress.waiting_for}`, paint.yellow)], view.columns))
  return lines
}

/** One line without colours or cursor movements: for logs of builds and services. */
export function progressLine(view: ProgressView): string {
  const { progress, pipeline } = view
  const share = shareOf(progress)
  return [
    `${pipeline}:`,
    ...(share === undefined ? [] : [`${Math.floor(share * 100)}%`]),
    `${clockTime(progress.seconds)}`,
    `in ${count(progress.events_in)}`,
    `out ${count(progress.events_out)}`,
    `filtered ${count(progress.filtered)}`,
    `dead letters ${count(progress.dead_lettered)}`,
    ...(progress.lag === undefined ? [] : [`lag ${count(progress.lag)}`]),
    `${short(view.eventRate)} events/s`,
    `${formatSize(progress.in_flight_bytes)} under way`,
    ...(progress.waiting_for === undefined ? [] : [`stopping, waiting for ${progress.waiting_for}`]),
  ].join('  ')
}

function headLine(view: ProgressView): string {
  const { progress, pipeline, paint, columns } = view
  const share = shareOf(progress)
  const name = painted(pipeline, paint.bold)
  if (share === undefined || progress.bytes_total === undefined) {
    return fitted('', [name, painted(clockTime(progress.seconds), plain), painted(`${formatSize(progress.bytes_in)} read`, paint.dim)], columns)
  }
  const after = [
    painted(`${Math.floor(share * 100)}%`.padStart(4), paint.bold),
    painted(`${formatSize(progress.bytes_in)} of ${formatSize(progress.bytes_total)}`, plain),
    painted(`${clockTime(progress.seconds)}${left(view)}`, paint.dim),
  ]
  const room = columns - name.width - after.reduce((sum, piece) => sum + piece.width + GAP, GAP)
  const size = Math.min(BAR_MAX, room)
  const bar = size >= BAR_MIN ? [{ text: barText(share, size, view), width: size }] : []
  return fitted('', [name, ...bar, ...after], columns)
}

function left({ progress, byteRate }: ProgressView): string {
  const rest = (progress.bytes_total ?? 0) - progress.bytes_in
  if (byteRate <= 0 || rest <= 0 || progress.seconds < 1) return ''
  return `, about ${clockTime(rest / byteRate)} left`
}

/** Between 0 and 1, or undefined where the size is not known. */
function shareOf({ bytes_in, bytes_total }: Progress): number | undefined {
  if (bytes_total === undefined || bytes_total <= 0) return undefined
  return Math.min(1, bytes_in / bytes_total)
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar whose end moves in eighths of a character where the terminal can show that. */
function barText(share: number, size: number, { unicode, paint }: ProgressView): string {
  const whole = Math.floor(share * size)
  if (!unicode) return `${paint.cyan('#'.repeat(whole))}${paint.dim('.'.repeat(size - whole))}`
  const part = EIGHTHS[Math.floor((share * size - whole) * 8)] ?? ''
  const rest = size - whole - part.length
  return `${paint.cyan('█'.repeat(whole) + part)}${paint.dim('·'.repeat(rest))}`
}

function countPieces({ progress, paint }: ProgressView): Piece[] {
  const pieces = [painted(`in ${count(progress.events_in)}`, plain), painted(`out ${count(progress.events_out)}`, paint.green)]
  if (progress.filtered > 0) pieces.push(painted(`filtered ${count(progress.filtered)}`, paint.dim))
  if (progress.dead_lettered > 0) pieces.push(painted(counted(progress.dead_lettered, 'dead letter'), paint.red))
  if (progress.lag !== undefined) pieces.push(painted(`lag ${count(progress.lag)}`, progress.lag > 0 ? paint.yellow : paint.dim))
  return pieces
}

function ratePieces({ progress, eventRate, byteRate, paint }: ProgressView): Piece[] {
  return [painted(`${short(eventRate)} events/s`, plain), painted(`${formatSize(Math.round(byteRate))}/s`, plain), painted(`${formatSize(progress.in_flight_bytes)} under way`, paint.dim)]
}

function plain(text: string): string {
  return text
}

function painted(text: string, color: (text: string) => string): Piece {
  return { text: color(text), width: text.length }
}

/** The pieces that fit into a line, so that no line of the display ever wraps. */
function fitted(indent: string, pieces: readonly Piece[], columns: number): string {
  let line = indent
  let width = indent.length
  pieces.forEach((piece, place) => {
    const gap = place === 0 ? 0 : GAP
    if (width + gap + piece.width >= columns) return
    line += ' '.repeat(gap) + piece.text
    width += gap + piece.width
  })
  return line
}
