/**
 * Edits of JSON text: what they do not touch keeps its bytes, numbers of any precision, escapes and white space included.
 *
 * A path leads through objects. Keys are compared decoded, so `"\u0061"` is `a`. Where a key comes twice the last one counts, as for JSON.parse. The text must be
 * one valid JSON value; the functions do not check it. These functions are the meaning of edits: the column kernel must give the very same bytes.
 *
 * - set: the value is replaced in its place. Where the key is missing, the field becomes the last of its object: `,"key":value` takes the place of the white space
 *   between the last value and the closing brace; in an object without fields `"key":value` stands right before the closing brace. Missing objects on the way are made.
 * - remove: a field that has one before it goes with all from the end of that one's value to the end of its own. The first one goes with all up to the next key. The only
 *   one goes with all up to the closing brace. Every occurrence goes, within every object that the path's keys lead to.
 * - rename: the key is replaced in its place; other fields of the object with the old or the new key are removed.
 *
 * Where set and rename change a field, earlier fields with the same key go, and so do those with the key of an object on the way: nobody counts them, but they may hold
 * what the change is to hide.
 *
 * With these rules the order in which different fields are edited makes no difference to the bytes, except that appended fields stand in the order they were set.
 */

/** One field of an object: places in the text. */
interface Member {
  readonly keyStart: number
  /** Behind the closing quote. */
  readonly keyEnd: number
  readonly key: string
  readonly start: number
  readonly end: number
}

interface Found {
  readonly members: readonly Member[]
  /** Place of the closing brace. */
  readonly close: number
}

const QUOTE = 34
const BACKSLASH = 92
const COMMA = 44

/** The JSON text of the value at a path, or undefined where there is none. */
export function rawAt(text: string, path: readonly string[]): string | undefined {
  const at = holder(text, path)
  if (at === undefined || at.depth < path.length - 1) return undefined
  const member = last(at.found, path.at(-1) ?? '')
  return member === undefined ? undefined : text.slice(member.start, member.end)
}

/** Sets the value at a path; missing objects on the way are made. Undefined where something on the way is not an object. */
export function setRaw(text: string, path: readonly string[], value: string): string | undefined {
  const at = holder(text, path)
  if (at === undefined) return undefined
  if (at.repeated) return setRaw(withoutRepeats(text, path), path, value)
  const { found, depth } = at
  const key = path[depth] ?? ''
  const member = depth === path.length - 1 ? last(found, key) : undefined
  if (member !== undefined) return text.slice(0, member.start) + value + text.slice(member.end)
  const inner = path.slice(depth + 1).reduceRight((made, name) => `{${JSON.stringify(name)}:${made}}`, value)
  const behind = found.members.at(-1)?.end
  return `${text.slice(0, behind ?? found.close)}${behind === undefined ? '' : ','}${JSON.stringify(key)}:${inner}${text.slice(found.close)}`
}

/** Removes a field; the text as it is where there is none. */
export function removeRaw(text: string, path: readonly string[]): string {
  return removeWithin(text, 0, path)
}

/** Gives a field another key, in its place; the text as it is where there is none. */
export function renameRaw(text: string, path: readonly string[], key: string): string {
  const old = path.at(-1) ?? ''
  const at = holder(text, path)
  const kept = at === undefined || at.depth < path.length - 1 || old === key ? undefined : last(at.found, old)
  if (at === undefined || kept === undefined) return text
  if (at.repeated) return renameRaw(withoutRepeats(text, path), path, key)
  const { members, close } = at.found
  const others = members.flatMap((member, index) => (member !== kept && (member.key === old || member.key === key) ? [index] : []))
  let result = text.slice(0, kept.keyStart) + JSON.stringify(key) + text.slice(kept.keyEnd)
  const grown = result.length - text.length
  const moved = members.map((member) => (member === kept ? { ...member, end: member.end + grown } : member.keyStart > kept.keyStart ? shift(member, grown) : member))
  for (const span of spans(moved, others, close + grown).reverse()) result = result.slice(0, span.from) + result.slice(span.to)
  return result
}

/** Removes what the path leads to from the object at `from`. */
function removeWithin(text: string, from: number, path: readonly string[]): string {
  const found = objectAt(text, from)
  if (found === undefined) return text
  const { members, close } = found
  const [key, ...rest] = path
  const hits = members.flatMap((member, index) => (member.key === key ? [index] : []))
  let result = text
  // From the back, so that the places in front stay what they are.
  if (rest.length > 0) for (const hit of hits.reverse()) result = removeWithin(result, members[hit]?.start ?? from, rest)
  else for (const span of spans(members, hits, close).reverse()) result = result.slice(0, span.from) + result.slice(span.to)
  return result
}

/** Removes the fields that have the key of the path, or of an object on its way, and are not the last ones that have it. */
function withoutRepeats(text: string, path: readonly string[]): string {
  let result = text
  let from = 0
  for (const key of path) {
    const found = objectAt(result, from)
    const member = found === undefined ? undefined : last(found, key)
    if (found === undefined || member === undefined) return result
    const { members, close } = found
    const hits = members.flatMap((one, index) => (one.key === key && one !== member ? [index] : []))
    const before = result.length
    for (const span of spans(members, hits, close).reverse()) result = result.slice(0, span.from) + result.slice(span.to)
    // What went stood in front.
    from = member.start - (before - result.length)
  }
  return result
}

/** What goes when the members at `hits`, in order, are removed. */
function spans(members: readonly Member[], hits: readonly number[], close: number): { readonly from: number; readonly to: number }[] {
  return hits.map((hit, order) => {
    const member = members[hit]
    const before = members[hit - 1]
    // All members in front go as well: then this one is the first.
    if (before === undefined || hit === order) return { from: member?.keyStart ?? close, to: members[hit + 1]?.keyStart ?? close }
    return { from: before.end, to: member?.end ?? close }
  })
}

function shift(member: Member, by: number): Member {
  return { key: member.key, keyStart: member.keyStart + by, keyEnd: member.keyEnd + by, start: member.start + by, end: member.end + by }
}

/**
 * The object that holds the path's last key, or the deepest one that is there; undefined where something on the way is not an object. `repeated` says that one of the
 * path's keys stands more than once where it was looked for.
 */
function holder(text: string, path: readonly string[]): { readonly found: Found; readonly depth: number; readonly repeated: boolean } | undefined {
  let found = objectAt(text, 0)
  let repeated = false
  for (let depth = 0; found !== undefined; depth++) {
    const key = path[depth] ?? ''
    const member = last(found, key)
    if (member !== undefined && found.members.some(one => one.key === key && one !== member)) repeated = true
    if (member === undefined || depth >= path.length - 1) return { found, depth, repeated }
    found = objectAt(text, member.start)
  }
  return undefined
}

function last(found: Found, key: string): Member | undefined {
  for (let at = found.members.length - 1; at >= 0; at--) if (found.members[at]?.key === key) return found.members[at]
  return undefined
}

/** The fields of the object at `from`, or undefined where another value stands there. */
function objectAt(text: string, from: number): Found | undefined {
  const open = skipSpace(text, from)
  if (text[open] !== '{') return undefined
  const members: Member[] = []
  let at = skipSpace(text, open + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = skipString(text, at)
    const quoted = text.slice(at, keyEnd)
    const key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1) // A JSON string parses to a string.
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = skipValue(text, start)
    members.push({ keyStart: at, keyEnd, key, start, end })
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return { members, close: at }
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 32 || code === 10 || code === 13 || code === 9; code = text.charCodeAt(at)) at++
  return at
}

/** Behind the string that starts at `from`. */
function skipString(text: string, from: number): number {
  let at = from + 1
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    if (Number.isNaN(code)) return at
    at += code === BACKSLASH ? 2 : 1
  }
  return at + 1
}

/** Behind the value that starts at `from`. */
function skipValue(text: string, from: number): number {
  const first = text[from]
  if (first === '"') return skipString(text, from)
  let at = from
  if (first !== '{' && first !== '[') {
    while (at < text.length && !',]} \t\r\n'.includes(text[at] ?? '')) at++
    return at
  }
  let depth = 0
  while (at < text.length) {
    const character = text[at]
    if (character === '"') {
      at = skipString(text, at)
      continue
    }
    if (character === '{' || character === '[') depth++
    if (character === '}' || character === ']') depth--
    at++
    if (depth === 0) return at
  }
  return at
}
