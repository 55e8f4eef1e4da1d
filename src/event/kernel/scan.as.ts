/**
 * The scan: both passes over a slab, line by line into rows.
 */
import { fields, input, kinds, lineEnd, lineStart, rowsMax, status, stride, suspects } from './memory.as'
import { findMarks, newlines, nextMark } from './marks.as'
import { inexact, isHex, resetInexact } from './token.as'
import { canLearn, forgetShapes, learnShape, walkShape } from './shape.as'
import { BAD, BLANK, OK, newline, setSuspect, suspect, walkLine } from './walk.as'

/** Lines after which it is judged whether shapes pay, and for how many lines they are left alone if not. */
const TRIAL_LINES: u32 = 1024
const REST_LINES: u32 = 16384
let lines: u32 = 0
let misses: u32 = 0
/** Lines for which shapes are still left alone. */
let resting: u32 = 0

let length: u32 = 0
/** Address of the first line that is not yet in a row. */
let next: usize = 0
let linesLeft: u32 = 0
let skipped: u32 = 0

/** Position behind the last line that was read. */
export function consumed(): u32 {
  return min(<u32>(next - input), length)
}
/** Blank lines that were passed over by the last scan. */
export function blankLines(): u32 {
  return skipped
}
export function inexactNumbers(): u32 {
  return inexact
}

/** Starts on a new slab of `bytes` bytes; answers the number of rows. */
export function scan(bytes: u32): u32 {
  length = bytes
  findMarks(bytes)
  linesLeft = newlines
  next = input
  setSuspect(suspects)
  return resume()
}

/** Goes on behind the last row of the same slab. */
export function resume(): u32 {
  const slabEnd = input + length
  let row: u32 = 0
  let p = next
  skipped = 0
  resetInexact()
  const rows = min(linesLeft, rowsMax)
  for (let field: u32 = 0; field < fields; field++) memory.fill(kinds + field * stride, 0, rows)
  while (p < slabEnd && row < rowsMax) {
    let result = readLine(p, row)
    let end = newline
    if (result != OK) for (end = nextMark(p); load<u8>(end) != 10; ) end = nextMark(end + 1)
    const until = <u32>(end - input)
    if (load<u32>(suspect) < until) {
      if (!suspectsAreFine(suspect, p, until) && result != BLANK) result = BAD
      let s = suspect
      while (load<u32>(s) < until) s += 4
      setSuspect(s)
    }
    linesLeft--
    const start = p
    p = end + 1
    if (result == BLANK) {
      skipped++
      continue
    }
    if (result != OK) for (let field: u32 = 0; field < fields; field++) store<u8>(kinds + field * stride + row, 0)
    store<u32>(lineStart + (<usize>row << 2), <u32>(start - input))
    store<u32>(lineEnd + (<usize>row << 2), end > start && load<u8>(end - 1) == 13 ? until - 1 : until)
    store<u8>(status + row, <u8>result)
    row++
  }
  next = p
  return row
}

/** Reads one line, the fast way if its shape is known. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function readLine(p: usize, row: u32): i32 {
  if (resting > 0) {
    if (--resting == 0) forgetShapes()
    return walkLine(p, row)
  }
  if (++lines == TRIAL_LINES) {
    if (misses > TRIAL_LINES / 2) resting = REST_LINES
    lines = 0
    misses = 0
  }
  if (walkShape(p, row)) return OK
  misses++
  const result = walkLine(p, row)
  if (result == OK && canLearn()) learnShape(p)
  return result
}

/** Checks the escapes of a line, and that its control characters are white space between tokens. */
function suspectsAreFine(s: usize, start: usize, until: u32): bool {
  let m = nextMark(start)
  let inString = false
  for (; load<u32>(s) < until; s += 4) {
    const p = input + load<u32>(s)
    const c = load<u8>(p)
    if (c == 92) {
      const d = load<u8>(p, 1)
      if (d == 117) {
        if (!(isHex(load<u8>(p, 2)) && isHex(load<u8>(p, 3)) && isHex(load<u8>(p, 4)) && isHex(load<u8>(p, 5)))) return false
      } else if (!(d == 34 || d == 92 || d == 47 || d == 98 || d == 102 || d == 110 || d == 114 || d == 116)) {
        return false
      }
      continue
    }
    if (c != 9 && c != 13) return false
    for (; m < p; m = nextMark(m + 1)) inString = !inString
    if (inString) return false
  }
  return true
}
