/**
 * Finds what stands in a config's text behind a name that means a secret, before anything else is known of the text: also where it is not well-formed, or where the component
 * that it is written for does not exist.
 *
 * A line of the text can then be shown without it. What only names the secret's place (`${NAME}`, `${file:PATH}`) is not hidden.
 */
import { SECRET_NAME, isSecretName } from '../base/index.ts'

/** Offsets; `end` is the one behind the last. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

/** The name at the start of a key (or behind a dot, in `--set`), an end quote, a colon or an equals sign, and what begins on the same line. */
const NAMED = new RegExp(`(?<![\\w.-])(${SECRET_NAME}|key)["']?\\s*[:=][ \\t]*`, 'gi')
const REFERENCE = /^(["']?)\$\{(?:[A-Za-z_]\w*|file:[^}]*|param:[^}]*)\}\1$/

/** True for a text that says where a secret is and does not hold it: `${NAME}` without a default. */
export function namesPlace(text: string): boolean {
  return REFERENCE.test(text)
}

/** `unclear`: a stretch in which nobody can tell what is whose `key`; each might be one of a cipher, or of an API. */
export function secretPlaces(text: string, unclear: Stretch = { start: 0, end: 0 }): Stretch[] {
  const found: Stretch[] = []
  for (const match of text.matchAll(NAMED)) {
    const [, name = ''] = match
    // Inside of a value that was found.
    if (match.index < (found.at(-1)?.end ?? 0)) continue
    if (name === 'key' ? match.index < unclear.start || match.index >= unclear.end : !isSecretName(name)) continue
    const start = match.index + match[0].length
    const end = endOfValue(text, start, match.index)
    const value = text.slice(start, end)
    if (value !== '' && !namesPlace(value)) found.push({ start, end })
  }
  return found
}

function endOfValue(text: string, start: number, key: number): number {
  const first = text[start]
  if (first === '"' || first === '\'') return endOfQuoted(text, start, first)
  if (first === '|' || first === '>') return endOfBlock(text, start, key)
  // A map or a list has names of its own in it.
  if (first === '{' || first === '[') return start
  const line = /[\r\n]/.exec(text.slice(start))
  const whole = text.slice(start, line === null ? undefined : start + line.index)
  // In braces it ends at a comma or a brace. References keep theirs.
  const isFlow = /[{[][^\r\n]*$/.test(text.slice(text.lastIndexOf('\n', key) + 1, key))
  const inner = isFlow ? (/^(?:\$\{[^}]*\}|[^,}\]])*/.exec(whole)?.[0] ?? whole) : whole
  return start + inner.replace(/\s+#.*$/, '').trimEnd().length
}

/** Up to the quote that ends it; where none does, up to the end of the text: it may go over lines. */
function endOfQuoted(text: string, start: number, quote: string): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\' && quote === '"') at++
    else if (text[at] === quote && text[at + 1] === quote && quote === '\'') at++
    else if (text[at] === quote) return at + 1
  }
  return text.length
}

/** The lines that are indented deeper than the key. */
function endOfBlock(text: string, start: number, key: number): number {
  const indent = key - (text.lastIndexOf('\n', key) + 1)
  let end = text.indexOf('\n', start)
  while (end >= 0) {
    const next = text.indexOf('\n', end + 1)
    const line = text.slice(end + 1, next < 0 ? undefined : next)
    if (line.trim() !== '' && line.length - line.trimStart().length <= indent) return end
    end = next
  }
  return text.length
}
