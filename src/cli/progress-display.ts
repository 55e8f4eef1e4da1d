/**
 * Shows the progress of a run on standard error.
 *
 * On a terminal a few lines are drawn over and over in place; messages are put above them. Elsewhere one plain line comes per call.
 * Every update is one write, so the terminal never shows half of it.
 */
import type { Progress } from '../engine/index.ts'
import { RateMeter } from '../observe/index.ts'
import type { TextStream } from './io.ts'
import { paint } from './paint.ts'
import { progressLine, progressLines } from './progress-text.ts'
import type { ProgressView } from './progress-text.ts'

/** To the start of the line `lines` above, and away with all below. */
const erase = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}F\u001b[0J`)

export class ProgressDisplay {
  #pipeline: string
  #silent = false
  readonly #to: TextStream
  readonly #unicode: boolean
  readonly #live: boolean
  readonly #events = new RateMeter()
  readonly #bytes = new RateMeter()
  #drawn: string[] = []

  /** `live` draws in place; it needs a terminal that nothing else writes to. */
  constructor(pipeline: string, to: TextStream, options: { readonly live: boolean; readonly unicode: boolean }) {
    this.#pipeline = pipeline
    this.#to = to
    this.#live = options.live
    this.#unicode = options.unicode
  }

  /** The pipeline's name, once it is known. `silent`: nothing may be drawn, because the pipeline's output goes to the same terminal. */
  about(pipeline: string, silent: boolean): void {
    this.#pipeline = pipeline
    this.#silent = silent
  }

  show(progress: Progress): void {
    if (this.#silent) return
    this.#events.note(progress.seconds, progress.events_in)
    this.#bytes.note(progress.seconds, progress.bytes_in)
    const view: ProgressView = {
      pipeline: this.#pipeline,
      progress,
      eventRate: this.#events.rate,
      byteRate: this.#bytes.rate,
      columns: this.#to.columns,
      unicode: this.#unicode,
      paint: paint(this.#live && this.#to.colors),
    }
    if (!this.#live) return this.#to.write(`${progressLine(view)}\n`)
    const lines = progressLines(view)
    this.#to.write(`${erase(this.#drawn.length)}${lines.join('\n')}\n`)
    this.#drawn = lines
  }

  /** Writes text that stays, above the lines that are drawn in place. */
  print(text: string): void {
    const again = this.#drawn.length === 0 ? '' : `${this.#drawn.join('\n')}\n`
    this.#to.write(`${erase(this.#drawn.length)}${text}${again}`)
  }

  /** Takes the drawn lines away. */
  clear(): void {
    if (this.#drawn.length > 0) this.#to.write(erase(this.#drawn.length))
    this.#drawn = []
  }
}

/** True where the character set of the terminal holds block characters. */
export function hasUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
  return /utf-?8/i.test(locale) || env.TERM_PROGRAM !== undefined || env.WT_SESSION !== undefined
}
