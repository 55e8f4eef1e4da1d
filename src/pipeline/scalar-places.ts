/**
 * Finds the place in a file of a place in a YAML scalar's value.
 *
 * Value and source are walked side by side. They differ by quotes, escapes, folded line ends and indentation only, so the walk needs to know
 * the style and no more of YAML. Where it loses its way (it never should) it stays inside the scalar.
 */

export type ScalarStyle = 'plain' | 'single' | 'double' | 'literal' | 'folded'

/** Offsets in `source` of each code unit of `value`, and of its end. `start` and `end` enclose the scalar with quotes or block header. */
export function scalarPlaces(source: string, start: number, end: number, style: ScalarStyle, value: string): number[] {
  if (style === 'literal' || style === 'folded') return blockPlaces(source, start, end, value)
  const places: number[] = []
  let at = style === 'plain' ? start : start + 1
  for (let i = 0; i < value.length; i++) {
    const wanted = value[i] ?? ''
    places.push(Math.min(at, end))
    if (style === 'double' && source[at] === '\\') at += escapeLength(source, at)
    else if (style === 'single' && source[at] === "'") at += 2
    else if (source[at] === wanted && !isLineEnd(source[at])) at++
    else if (wanted === ' ' || wanted === '\n') at = skipFold(source, at, value, i)
    else at++
    // A backslash before a line end joins lines in double quotes and stands for nothing.
    while (style === 'double' && source[at] === '\\' && isLineEnd(source[at + 1])) at = skipSpace(source, at + 1)
    // The last of the line ends that a fold stands for has been passed; indentation follows.
    if (isLineEnd(source[at]) && !/[ \n]/.test(value[i + 1] ?? '')) at = skipSpace(source, at)
  }
  places.push(Math.min(at, end))
  return places
}

function isLineEnd(char: string | undefined): boolean {
  return char === '\n' || char === '\r'
}

function skipSpace(source: string, at: number): number {
  let next = at
  while (/[ \t\r\n]/.test(source[next] ?? '')) next++
  return next
}

/** A folded line end: one space for one, `n` line ends for `n + 1`. All white space is passed at the last of them. */
function skipFold(source: string, at: number, value: string, i: number): number {
  return value[i] === '\n' && value[i + 1] === '\n' ? at : skipSpace(source, at)
}

function escapeLength(source: string, at: number): number {
  const kind = source[at + 1]
  return kind === 'x' ? 4 : kind === 'u' ? 6 : kind === 'U' ? 10 : 2
}

function blockPlaces(source: string, start: number, end: number, value: string): number[] {
  const places: number[] = []
  const header = source.indexOf('\n', start)
  let at = header < 0 ? end : header + 1
  const indent = indentOf(source.slice(at, end), value)
  at = skipIndent(source, at, end, indent)
  for (let i = 0; i < value.length; i++) {
    const wanted = value[i] ?? ''
    if (isLineEnd(source[at]) && !isLineEnd(wanted) && wanted !== ' ') at = nextLine(source, at, end, indent)
    places.push(Math.min(at, end))
    if (source[at] === wanted && !isLineEnd(wanted)) at++
    else if (isLineEnd(source[at])) at = nextLine(source, at, end, indent)
    else at++
  }
  places.push(Math.min(at, end))
  return places
}

/** Spaces that belong to the indentation: those before the first line that is not empty, less those that its value begins with. */
function indentOf(text: string, value: string): number {
  const spaces = (of: string): number => /^ */.exec(of.split(/\r?\n/).find(line => line.trim() !== '') ?? '')?.[0].length ?? 0
  return Math.max(0, spaces(text) - spaces(value))
}

function nextLine(source: string, at: number, end: number, indent: number): number {
  const lineEnd = source.indexOf('\n', at)
  if (lineEnd < 0) return end
  return skipIndent(source, lineEnd + 1, end, indent)
}

function skipIndent(source: string, from: number, end: number, indent: number): number {
  let at = from
  for (let space = 0; space < indent && source[at] === ' '; space++) at++
  return Math.min(end, at)
}
