/**
 * Runs a compiled program on rows: builds the bytes of output lines. What the operations mean stands in emit-ops.ts, how they lie in memory in program.ts.
 *
 * No write goes behind `limit`; where one would, `full` is set, the row's remaining writes do nothing or stay below the limit, and the row is taken back.
 * Copies and numbers may scribble up to 64 bytes behind what they say, which the margin of an output takes up.
 */
import { ENTRY } from './dictionary.as'
import { NUMBER_BYTES, writeNumber } from './format.as'
import { ends, input, kinds, lineEnd, lineStart, starts, stride } from './memory.as'
import { MISSING, skipSpace } from './token.as'

const OP_BYTES: usize = 16
const LITERAL = 0, RAW = 1, NUMBER = 2, ENTRY_VALUE = 3, MASK = 4, LINE = 5, EDIT = 6

const EDIT_BYTES: usize = 32
const SET = 0, REMOVE = 1, RENAME = 2

/** What an edit comes to in one row. */
const REPLACE = 0, CUT = 1, NEW_KEY = 2, APPEND = 3
/** The changes of one row: place in the line << 32 | order in the list << 16 | change << 8 | edit. Two per edit at most. */
const CHANGES = memory.data(128 * 8, 16)

let to: usize = 0
let limit: usize = 0
let full = false
let written: usize = 0

/** Place behind the last row that the last `emit` wrote. */
export function emitted(): usize {
  return written
}

/**
 * Runs `count` operations at `program` on the rows `selection[from..until)` and writes to `out`, not behind `most`. Writes the end of each row, relative to `base`,
 * to `rowEnds` if it is not 0. Answers the place in the selection of the first row that was not written.
 */
export function emit(program: usize, count: u32, selection: usize, from: u32, until: u32, out: usize, most: usize, rowEnds: usize, base: usize): u32 {
  to = out
  limit = most
  full = false
  let index = from
  for (; index < until; index++) {
    const row = load<u32>(selection + (<usize>index << 2))
    const before = to
    run(program, count, row)
    if (to >= limit) full = true
    if (full) {
      to = before
      break
    }
    store<u8>(to++, 10)
    if (rowEnds) {
      store<u32>(rowEnds, <u32>(to - base))
      rowEnds += 4
    }
  }
  written = to
  return index
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function put(from: usize, length: usize): void {
  if (length > limit - to) {
    full = true
    return
  }
  let d = to
  to += length
  for (; d < to; d += 16, from += 16) v128.store(d, v128.load(from))
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function startOf(field: u32, row: u32): usize {
  return input + load<u32>(starts + ((field * stride + row) << 2))
}
// @ts-ignore: a decorator of AssemblyScript
@inline
function endOf(field: u32, row: u32): usize {
  return input + load<u32>(ends + ((field * stride + row) << 2))
}
// @ts-ignore: a decorator of AssemblyScript
@inline
function isMissing(field: u32, row: u32): bool {
  return load<u8>(kinds + field * stride + row) == MISSING
}

function run(op: usize, count: u32, row: u32): void {
  const last = op + <usize>count * OP_BYTES
  for (; op < last; op += OP_BYTES) {
    const a = load<usize>(op, 4)
    switch (load<u32>(op)) {
      case LITERAL:
        put(a, load<u32>(op, 8))
        break
      case RAW:
        if (!isMissing(<u32>a, row)) put(startOf(<u32>a, row), endOf(<u32>a, row) - startOf(<u32>a, row))
        break
      case NUMBER:
        if (limit - to < NUMBER_BYTES) full = true
        else to = writeNumber(to, load<f64>(a + (<usize>row << 3)))
        break
      case ENTRY_VALUE: {
        const id = load<i32>(a + (<usize>row << 2))
        const table = load<usize>(op, 8)
        if (id < 0 || <u32>id >= load<u32>(table, 12)) break
        const entry = load<usize>(table, 8) + <usize>id * ENTRY
        put(load<usize>(entry, 8), load<u32>(entry, 12))
        break
      }
      case MASK:
        if (!isMissing(<u32>a, row)) mask(startOf(<u32>a, row) + 1, endOf(<u32>a, row) - 1, load<usize>(op, 8))
        break
      case LINE: {
        const start = input + load<u32>(lineStart + (<usize>row << 2))
        put(start, input + load<u32>(lineEnd + (<usize>row << 2)) - start)
        break
      }
      case EDIT:
        edit(a, load<u32>(op, 8), row)
        break
    }
  }
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function continues(p: usize): bool {
  return (load<u8>(p) & 0xc0) == 0x80
}

/** The first such byte between two places, or `end`. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function findByte(from: usize, end: usize, byte: u8): usize {
  const wanted = i8x16.splat(<i8>byte)
  for (; from < end; from += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(from), wanted))
    if (found) return min(from + <usize>ctz(found), end)
  }
  return end
}

/** Hides the middle of the text from `start` to `end`. `rule`: first, last, from (byte or 0), each, place and length of the fill. */
function mask(start: usize, end: usize, rule: usize): void {
  const fill = load<usize>(rule, 16)
  const fillLength = load<u32>(rule, 20)
  const tailByte = load<u32>(rule, 8)
  let head = start
  for (let first = load<u32>(rule); first > 0 && head < end; first--) {
    head++
    while (head < end && continues(head)) head++
  }
  let tail = end
  for (let last = load<u32>(rule, 4); last > 0 && tail > head; last--) {
    tail--
    while (tail > head && continues(tail)) tail--
  }
  // Nothing is left to hide: hide all of it.
  if (tail == head) {
    head = start
    tail = end
  } else if (tailByte) {
    tail = findByte(head, end, <u8>tailByte)
  }
  if (limit - to < 1) full = true
  else store<u8>(to++, 34)
  put(start, head - start)
  if (load<u32>(rule, 12)) {
    for (let p = head; p < tail && !full; p++) if (!continues(p)) put(fill, fillLength)
  } else {
    put(fill, fillLength)
  }
  put(tail, end - tail)
  if (limit - to < 1) full = true
  else store<u8>(to++, 34)
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function isSpace(p: usize): bool {
  const c = load<u8>(p)
  return c == 32 || c == 9 || c == 13
}

/** Place of the opening quote of a field's key, found backward from its value. `length` is that of the key without quotes. */
function keyOf(field: u32, row: u32, length: u32): usize {
  let p = startOf(field, row) - 1
  while (load<u8>(p) != 58) p--
  p--
  while (isSpace(p)) p--
  return p - length - 1
}

/** Puts a change in its place in the order of the line; answers the number of changes. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function enlist(count: u32, at: usize, change: u32, edit: u32): u32 {
  const key = <u64>(at - input) << 32 | count << 16 | change << 8 | edit
  let place = CHANGES + (<usize>count << 3)
  for (; place > CHANGES && load<u64>(place - 8) > key; place -= 8) store<u64>(place, load<u64>(place - 8))
  store<u64>(place, key)
  return count + 1
}

/** Record of an edit: what, field, key length, parent (-1: the line), place and length of the key to write, operations and their number; `other` of a rename takes the place of the operations. */
function listChanges(edits: usize, count: u32, row: u32): u32 {
  let changes: u32 = 0
  for (let index: u32 = 0; index < count; index++) {
    const at = edits + <usize>index * EDIT_BYTES
    const field = load<u32>(at, 4)
    const missing = isMissing(field, row)
    switch (load<u32>(at)) {
      case SET:
        if (!missing) {
          changes = enlist(changes, startOf(field, row), REPLACE, index)
        } else {
          const parent = load<i32>(at, 12)
          changes = enlist(changes, parent < 0 ? lineClose(row) : endOf(parent, row) - 1, APPEND, index)
        }
        break
      case REMOVE:
        if (!missing) changes = enlist(changes, keyOf(field, row, load<u32>(at, 8)), CUT, index)
        break
      case RENAME:
        if (missing) break
        changes = enlist(changes, keyOf(field, row, load<u32>(at, 8)), NEW_KEY, index)
        if (!isMissing(load<u32>(at, 24), row)) {
          changes = enlist(changes, keyOf(load<u32>(at, 24), row, load<u32>(at, 28)), CUT, index)
        }
        break
    }
  }
  return changes
}

/** Place of the brace that closes the line's object. */
function lineClose(row: u32): usize {
  let p = input + load<u32>(lineEnd + (<usize>row << 2)) - 1
  while (isSpace(p)) p--
  return p
}

/** Writes the line with its edits. `from` is the place in the line up to which it is done. */
function edit(edits: usize, count: u32, row: u32): void {
  const changes = listChanges(edits, count, row)
  let from = input + load<u32>(lineStart + (<usize>row << 2))
  for (let index: u32 = 0; index < changes; index++) {
    const change = load<u64>(CHANGES + (<usize>index << 3))
    const at = input + <usize>(change >> 32)
    const record = edits + <usize>(<u32>change & 0xff) * EDIT_BYTES
    const field = load<u32>(record, 4)
    switch (<u32>(change >> 8) & 0xff) {
      case REPLACE:
        put(from, at - from)
        run(load<usize>(record, 24), load<u32>(record, 28), row)
        from = endOf(field, row)
        break
      case NEW_KEY:
        put(from, at - from)
        put(load<usize>(record, 16), load<u32>(record, 20))
        from = at + load<u32>(record, 8) + 2
        break
      case CUT:
        from = cut(from, at, endOf(load<u32>(record) == RENAME ? load<u32>(record, 24) : field, row))
        break
      case APPEND:
        put(from, at - from)
        if (!full) append(record, row)
        from = at
        break
    }
  }
  put(from, input + load<u32>(lineEnd + (<usize>row << 2)) - from)
}

/** Leaves out the field from `key` to `end`, with the comma that would be too many; answers where the line goes on. The rule is told in json/edit.ts. */
function cut(from: usize, key: usize, end: usize): usize {
  let before = key - 1
  while (isSpace(before)) before--
  // The first field of its object, or the first that is left: what goes is all up to the next field.
  if (from == key || load<u8>(before) == 123) {
    put(from, key - from)
    const next = skipSpace(end)
    return load<u8>(next) == 44 ? skipSpace(next + 1) : next
  }
  before--
  while (isSpace(before)) before--
  put(from, before + 1 - from)
  return end
}

/** Adds a field behind the last one of the object whose end was reached; its brace comes next. */
function append(record: usize, row: u32): void {
  const here = to
  while (isSpace(to - 1)) to--
  if (load<u8>(to - 1) == 123) {
    to = here
  } else if (limit - to < 1) {
    full = true
  } else {
    store<u8>(to++, 44)
  }
  put(load<usize>(record, 16), load<u32>(record, 20))
  run(load<usize>(record, 24), load<u32>(record, 28), row)
}
