/**
 * The items of a JSON list and the fields of a JSON object as text, so that what takes them apart keeps their bytes: numbers of any precision, escapes, white space inside.
 *
 * The text must be valid JSON, as the text of an event is. Cost: one look at each character; memory: one entry for each part.
 */
export interface RawPart {
  /** The field's name; the item's number in a list. */
  readonly name: string
  readonly raw: string
}

/** The first character that is no white space: `{`, `[`, or that of another value. */
export function firstOf(raw: string): string | undefined {
  return raw[skipSpace(raw, 0)]
}

/** The parts of a list or an object, in the order of the text; undefined for any other value. Where a key comes twice, the last value counts, in the place of the first. */
export function rawParts(raw: string): RawPart[] | undefined {
  const open = skipSpace(raw, 0)
  const inObject = raw[open] === '{'
  if (!inObject && raw[open] !== '[') return undefined
  const parts = new Map<string, RawPart>()
  for (let at = skipSpace(raw, open + 1); at < raw.length && raw[at] !== '}' && raw[at] !== ']'; ) {
    let name = String(parts.size)
    if (inObject) {
      const end = skipString(raw, at)
      name = JSON.parse(raw.slice(at, end)) as string // A JSON string parses to a string.
      at = skipSpace(raw, skipSpace(raw, end) + 1)
    }
    const end = skipValue(raw, at)
    parts.set(name, { name, raw: raw.slice(at, end) })
    at = skipSpace(raw, end)
    if (raw[at] === ',') at = skipSpace(raw, at + 1)
  }
  return [...parts.values()]
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 32 || code === 10 || code === 13 || code === 9; code = text.charCodeAt(at)) at++
  return at
}

/** Behind the string that starts at `from`. */
function skipString(text: string, from: number): number {
  let at = from + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Behind the value that starts at `from`. */
function skipValue(text: string, from: number): number {
  if (text[from] === '"') return skipString(text, from)
  let at = from
  let depth = 0
  for (; at < text.length; at++) {
    const character = text[at]
    if (character === '{' || character === '[') depth++
    else if (character === '"') at = skipString(text, at) - 1
    else if (depth === 0 && (character === ',' || character === '}' || character === ']' || skipSpace(text, at) > at)) return at
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1
  }
  return at
}
