/**
 * Second pass: walks one line from token to token, checks the grammar of JSON and writes the wanted fields.
 *
 * Strings are not read: the first pass marked all quotes, so the walk jumps from a string's first quote to the next mark. A quote where a token begins is never an
 * escaped one, since the byte before it was read as something else than a backslash.
 * Containers are kept on a stack by depth. A container whose keys are not wanted has node -1, and its keys are only stepped over.
 */
import { nextMark } from './marks.as'
import { ENTRY_BYTES, entries, input, keys, nodes, putField, seen } from './memory.as'
import { ARRAY, ESCAPED, FALSE, NULL, OBJECT, STRING, TRUE, number, skipSpace } from './token.as'

export const OK: i32 = 0
export const BAD: i32 = 1
export const SLOW: i32 = 2
export const BLANK: i32 = 3

const DEPTH_MAX: u32 = 63
/** Per depth: node (i32), start of the container (u32), field (i32). */
const STACK = memory.data(64 * 12, 16)

/** First suspect that may lie in the line; set before a line. */
export let suspect: usize = 0
export function setSuspect(at: usize): void {
  suspect = at
}
/** Address of the newline of a line that was found good. */
export let newline: usize = 0
export function setNewline(at: usize): void {
  newline = at
}
/** Number of the line, never the same twice: tells whether an entry was met in this line. */
let stamp: u32 = 0

/** The entry of `node` whose key is the `length` bytes at `p`, or -1. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function findEntry(node: i32, p: usize, length: u32): i32 {
  let head = load<u64>(p)
  if (length < 8) head &= (<u64>1 << (length << 3)) - 1
  let entry = load<i32>(nodes + (<usize>node << 2))
  const last = load<i32>(nodes + (<usize>node << 2), 4)
  for (; entry < last; entry++) {
    const at = entries + <usize>entry * ENTRY_BYTES
    if (load<u64>(at, 8) != head || load<u32>(at) != length) continue
    if (length <= 8 || memory.compare(p, keys + load<u32>(at, 4), length) == 0) return entry
  }
  return -1
}

const VALUE = 0
const KEY = 1

/** Walks the line at `p`; answers OK, BAD, SLOW or BLANK. Leaves `newline` at the end of a line that is OK. */
export function walkLine(p: usize, row: u32): i32 {
  let s = suspect
  let arrays: u64 = 0
  let depth: u32 = 0
  let field = -1
  let child = 0
  let mode = VALUE
  let result = OK
  stamp++
  p = skipSpace(p)
  if (load<u8>(p) != 123) return load<u8>(p) == 10 ? BLANK : BAD
  while (true) {
    if (mode == KEY) {
      if (load<u8>(p) != 34) return BAD
      const close = nextMark(p + 1)
      if (load<u8>(close) != 34) return BAD
      field = -1
      child = -1
      const node = load<i32>(STACK + depth * 12)
      if (node >= 0) {
        // A key with an escape may be a wanted one in disguise.
        while (load<u32>(s) < <u32>(p - input)) s += 4
        if (load<u32>(s) < <u32>(close - input)) result = SLOW
        const entry = findEntry(node, p + 1, <u32>(close - p - 1))
        if (entry >= 0) {
          const at = entries + <usize>entry * ENTRY_BYTES
          field = load<i32>(at, 16)
          child = load<i32>(at, 20)
          if (load<u32>(seen + (<usize>entry << 2)) == stamp) result = SLOW
          store<u32>(seen + (<usize>entry << 2), stamp)
        }
      }
      p = close + 1
      if (load<u8>(p) != 58) {
        p = skipSpace(p)
        if (load<u8>(p) != 58) return BAD
      }
      p++
      if (load<u8>(p) <= 32) p = skipSpace(p)
      mode = VALUE
    }
    const c = load<u8>(p)
    if (c == 34) {
      const close = nextMark(p + 1)
      if (load<u8>(close) != 34) return BAD
      if (field >= 0) {
        while (load<u32>(s) < <u32>(p - input)) s += 4
        putField(field, row, load<u32>(s) < <u32>(close - input) ? ESCAPED : STRING, p, close + 1)
      }
      p = close + 1
    } else if (c == 123 || c == 91) {
      if (depth == DEPTH_MAX) return SLOW
      depth++
      const top = STACK + depth * 12
      store<i32>(top, c == 123 ? child : -1)
      store<u32>(top, <u32>p, 4)
      store<i32>(top, field, 8)
      if (c == 123) arrays &= ~(<u64>1 << depth)
      else arrays |= <u64>1 << depth
      p = skipSpace(p + 1)
      if (c == 123) {
        if (load<u8>(p) != 125) {
          mode = KEY
          continue
        }
      } else if (load<u8>(p) != 93) {
        field = -1
        child = -1
        continue
      }
    } else if (c == 116) {
      if (load<u32>(p) != 0x65757274) return BAD
      if (field >= 0) putField(field, row, TRUE, p, p + 4)
      p += 4
    } else if (c == 102) {
      if (load<u32>(p, 1) != 0x65736c61) return BAD
      if (field >= 0) putField(field, row, FALSE, p, p + 5)
      p += 5
    } else if (c == 110) {
      if (load<u32>(p) != 0x6c6c756e) return BAD
      if (field >= 0) putField(field, row, NULL, p, p + 4)
      p += 4
    } else {
      p = number(p, field, row)
      if (p == 0) return BAD
    }
    // Behind a value: close as many containers as end here, then go on behind the comma.
    for (;;) {
      let next = load<u8>(p)
      if (next <= 32) {
        p = skipSpace(p)
        next = load<u8>(p)
      }
      if (depth == 0) {
        newline = p
        return next == 10 ? result : BAD
      }
      p++
      if (next == 44) break
      const isArray = (arrays >> depth) & 1
      if (next != (isArray ? 93 : 125)) return BAD
      const top = STACK + depth * 12
      const closed = load<i32>(top, 8)
      if (closed >= 0) putField(closed, row, isArray ? ARRAY : OBJECT, load<u32>(top, 4), p)
      depth--
    }
    if (load<u8>(p) <= 32) p = skipSpace(p)
    if ((arrays >> depth) & 1) {
      field = -1
      child = -1
    } else {
      mode = KEY
    }
  }
}
