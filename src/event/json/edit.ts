/**
 * Edits of JSON text: what they do not touch keeps its bytes.
 *
 * A path leads through objects. Where a key comes twice, the last one counts, as for JSON.parse. Keys are compared decoded, so `"\u0061"` is `a`. The text
 * must be valid JSON; the functions do not check it.
 *
 * Meaning of each edit, white space included:
 * - set: the last value of the key is replaced; where the key is missing, `,"key":value` is put right behind the object's last value (no comma in an empty one).
 * - remove: every occurrence goes, with the comma behind it and the white space up to the next key; the last field takes the comma before it instead.
 * - rename: the last occurrence gets the new key in its place; fields that had the new key before are removed.
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
  /** Place of the opening and of the closing brace. */
  readonly open: number
  readonly close: number
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 32 || code === 10 || code === 13 || code === 9; code = text.charCodeAt(at)) at++
  return at
}

/** Behind the string that starts at `from`. */
function skipString(text: string, from: number): number {
  let at = from + 1
  for (let code = text.charCodeAt(at); code !== 34; code = text.charCodeAt(at)) {
    if (Number.isNaN(code)) return at
    at += code === 92 ? 2 : 1
  }
  return at + 1
}

/** Behind the value that starts at `from`. */
function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from)
  if (first === 34) return skipString(text, from)
  let at = from
  if (first !== 123 && first !== 91) {
    while (at < text.length && !',]} \t\r\n'.includes(text[at] ?? '')) at++
    return at
  }
  let depth = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = skipString(text, at)
      continue
    }
    if (code === 123 || code === 91) depth++
    if (code === 125 || code === 93) depth--
    at++
    if (depth === 0) return at
  }
  return at
}

/** The fields of the object at `from`, or undefined where another value stands there. */
function membersAt(text: string, from: number): Found | undefined {
  const open = skipSpace(text, from)
  if (text.charCodeAt(open) !== 123) return undefined
  const members: Member[] = []
  let at = skipSpace(text, open + 1)
  while (text.charCodeAt(at) === 34) {
    const keyEnd = skipString(text, at)
    const quoted = text.slice(at, keyEnd)
    const key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1) // A JSON string parses to a string.
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = skipValue(text, start)
    members.push({ keyStart: at, keyEnd, key, start, end })
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === 44) at = skipSpace(text, at + 1)
  }
  return { members, open, close: at }
}

function last(found: Found, key: string): Member | undefined {
  for (let at = found.members.length - 1; at >= 0; at--) if (found.members[at]?.key === key) return found.members[at]
  return undefined
}

/** The object that holds the last part of the path, as far as it is there. */
function holder(text: string, path: readonly string[]): { found: Found; depth: number } | undefined {
  let found = membersAt(text, 0)
  if (found === undefined) return undefined
  for (let depth = 0; depth < path.length - 1; depth++) {
    const member = last(found, path[depth] ?? '')
    if (member === undefined) return { found, depth }
    const inner = membersAt(text, member.start)
    if (inner === undefined) return undefined
    found = inner
  }
  return { found, depth: path.length - 1 }
}

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
  const { found, depth } = at
  const key = path[depth] ?? ''
  const inner = path.slice(depth + 1).reduceRight((made, name) => `{${JSON.stringify(name)}:${made}}`, value)
  const member = depth === path.length - 1 ? last(found, key) : undefined
  if (member !== undefined) return text.slice(0, member.start) + value + text.slice(member.end)
  const behind = found.members.at(-1)?.end ?? found.open + 1
  return `${text.slice(0, behind)}${found.members.length > 0 ? ',' : ''}${JSON.stringify(key)}:${inner}${text.slice(behind)}`
}

/** Removes a field; the text as it is where there is none. */
export function removeRaw(text: string, path: readonly string[]): string {
  const at = holder(text, path)
  if (at === undefined || at.depth < path.length - 1) return text
  const key = path.at(-1) ?? ''
  let result = text
  // From the back, so that places in front stay what they are.
  for (let index = at.found.members.length - 1; index >= 0; index--) {
    if (at.found.members[index]?.key !== key) continue
    result = cut(result, membersAt(result, at.found.open)?.members ?? [], index)
  }
  return result
}

function cut(text: string, members: readonly Member[], index: number): string {
  const member = members[index]
  const next = members[index + 1]
  const before = members[index - 1]
  if (member === undefined) return text
  if (next !== undefined) return text.slice(0, member.keyStart) + text.slice(next.keyStart)
  return before === undefined ? text.slice(0, member.keyStart) + text.slice(member.end) : text.slice(0, before.end) + text.slice(member.end)
}

/** Gives a field another name, in its place; the text as it is where there is none. */
export function renameRaw(text: string, path: readonly string[], name: string): string {
  const key = path.at(-1) ?? ''
  if (key === name || rawAt(text, path) === undefined) return text
  const cleared = removeRaw(text, [...path.slice(0, -1), name])
  const at = holder(cleared, path)
  const member = at === undefined ? undefined : last(at.found, key)
  return member === undefined ? text : cleared.slice(0, member.keyStart) + JSON.stringify(name) + cleared.slice(member.keyEnd)
}
