/** Taps as text: what is asked for one, and what is shown of it. */
import type { TapSample } from '../engine/index.ts'
import { visible } from '../observe/index.ts'
import { count } from './numbers.ts'
import { paint } from './paint.ts'
import type { Paint } from './paint.ts'

/** A line that tells of the tap itself. */
export interface TapTold {
  readonly component?: string
  readonly side?: string
  readonly looked?: number
  readonly shown?: number
  readonly dropped?: number
  readonly reloaded?: number
  readonly is_there?: boolean
  readonly ended?: 'limit' | 'over'
}

/** What is asked of the admin server for a tap. */
export function tapPath(pipeline: string, request: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams(Object.entries(request).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])))
  return `/v1/pipelines/${encodeURIComponent(pipeline)}/tap?${query.toString()}`
}

/** What is told to a person; most is not. */
export function toldText({ component, side, reloaded, is_there: isThere, ended }: TapTold): string[] {
  if (component === 'dead_letters') return ['Tapping dead letters. Ctrl-C ends it.']
  if (component !== undefined) return [`Tapping ${side ?? ''} ${component}. Ctrl-C ends it.`]
  if (reloaded !== undefined) return [isThere === true ? `Another config runs: generation ${reloaded}.` : `Another config runs, generation ${reloaded}: the component is not in it.`]
  return ended === 'over' ? ['The pipeline has ended.'] : []
}

/** The event as it is written, behind the time when it was seen. What a terminal would take for a command is made visible. */
export function sampleText(sample: TapSample, line: string, { dim, red }: Paint = paint(false)): string {
  const { at, output, too_large: size, key } = sample
  if (sample.dead_letter === true && isLetter(sample.event)) return letterText(at, sample.event, dim, red)
  const begin = line.indexOf(',"event":')
  const text = size === undefined ? line.slice(begin + 9, -1) : `an event of ${count(size)} characters`
  const more = [...(output === undefined ? [] : [output]), ...(key === undefined ? [] : [`key ${visible(key)}`])]
  return `${dim([new Date(at).toISOString().slice(11, 23), ...more].join(' '))} ${visible(text)}`
}

/** What a dead letter tells of itself to a person. */
interface Letter {
  readonly stage: string
  readonly code: string
  readonly reason: string
  readonly attempts: number
  readonly original?: string
  readonly original_length?: number
}

function isLetter(event: unknown): event is Letter {
  return typeof event === 'object' && event !== null && 'stage' in event && 'code' in event
}

/** `11:13:01.776 check VALIDATE_FAILED: delay must be number  {"id":"A1","delay":"late"}` */
function letterText(at: number, { stage, code, reason, attempts, original, original_length: size }: Letter, dim: Paint['dim'], red: Paint['red']): string {
  const why = reason === '***' ? code : `${code}: ${reason}`
  const what = original === undefined ? `(${size === undefined ? 'bytes that are not text' : `${count(size)} characters`})` : visible(original)
  return `${dim(new Date(at).toISOString().slice(11, 23))} ${visible(stage)} ${red(visible(why))}${attempts > 1 ? ` (${attempts} attempts)` : ''}  ${what}`
}
