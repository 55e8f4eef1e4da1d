/** The text of a config file, with lines and columns for people. */

export interface LinePosition {
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number
}

export class SourceFile {
  /** As diagnostics show it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly text: string
  #lineStarts: readonly number[] | undefined

  constructor(name: string, path: string, text: string) {
    this.name = name
    this.path = path
    this.text = text
  }

  /** Line and column of an offset; one behind the end is the end. */
  position(offset: number): LinePosition {
    const at = Math.max(0, Math.min(offset, this.text.length))
    const starts = this.#starts()
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= at) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: at - (starts[low] ?? 0) + 1 }
  }

  /** A line without its end. */
  line(number: number): string {
    const starts = this.#starts()
    const start = starts[number - 1]
    if (start === undefined) return ''
    return this.text.slice(start, (starts[number] ?? this.text.length + 1) - 1).replace(/[\r\n]+$/, '')
  }

  #starts(): readonly number[] {
    if (this.#lineStarts === undefined) {
      const starts = [0]
      for (let at = this.text.indexOf('\n'); at >= 0; at = this.text.indexOf('\n', at + 1)) starts.push(at + 1)
      this.#lineStarts = starts
    }
    return this.#lineStarts
  }
}

/** A stretch of a file: `start` is its first code unit, `end` the one behind it. */
export interface Place {
  readonly file: SourceFile
  readonly start: number
  readonly end: number
}
