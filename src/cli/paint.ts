/** Colours for a terminal, or plain text where none are wanted. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

/** SGR codes of ECMA-48: what switches the style on, and what switches it off again. */
const style = (on: number, off: number) => (text: string): string => (text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`)
const plain = (text: string): string => text

const COLORS: Paint = { bold: style(1, 22), dim: style(2, 22), red: style(31, 39), green: style(32, 39), yellow: style(33, 39), cyan: style(36, 39) }
const PLAIN: Paint = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain }

export function paint(colors: boolean): Paint {
  return colors ? COLORS : PLAIN
}
