/**
 * First pass: finds quotes, newlines, escapes and control characters, 64 bytes at a time.
 *
 * Quotes and newlines become a bit map, one bit per byte of the slab; the end of a string is the next bit behind its beginning. Escapes and control characters,
 * which are rare, become a list of places.
 *
 * Only an unescaped quote is a mark. A backslash takes the byte after it with it, so backslashes are walked one by one; they are rare.
 * A newline ends a line wherever it stands, within a string too (the line is then not JSON), so lines never depend on one another.
 */
import { input, marks, suspects } from './memory.as'

/** Newlines found by the last pass, the added one at the end of the slab included. */
export let newlines: u32 = 0

// @ts-ignore: a decorator of AssemblyScript
@inline
function bits(a: v128, b: v128, c: v128, d: v128): u64 {
  return <u64>i8x16.bitmask(a) | <u64>i8x16.bitmask(b) << 16 | <u64>i8x16.bitmask(c) << 32 | <u64>i8x16.bitmask(d) << 48
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function anyOf(a: v128, b: v128, c: v128, d: v128): bool {
  return v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))
}

/** Address of the first mark at `p` or behind it. There is always one: the newline behind the slab. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function nextMark(p: usize): usize {
  const at = p - input
  // Eight bytes of the map from the one that holds this bit: at least 57 bits, and no boundary that a string of usual length might cross.
  const window = load<u64>(marks + (at >> 3)) >> (at & 7)
  return window ? p + <usize>ctz(window) : farMark(p)
}

function farMark(p: usize): usize {
  let word = marks + ((p - input) >> 3) + 8
  while (load<u64>(word) == 0) word += 8
  return input + ((word - marks) << 3) + <usize>ctz(load<u64>(word))
}

/** Fills `marks` and `suspects` for `length` bytes and puts a newline behind them. */
export function findMarks(length: u32): void {
  let mark = marks
  let suspect = suspects
  let lines: u32 = 0
  // True when the last byte of the block before was a backslash that escapes the first byte of this one.
  let carry: u64 = 0
  const quote = i8x16.splat(34), backslash = i8x16.splat(92), newline = i8x16.splat(10), space = i8x16.splat(32)
  memory.fill(input + length, 10, 64)
  for (let i: u32 = 0; i < length; i += 64) {
    const a = v128.load(input + i), b = v128.load(input + i, 16), c = v128.load(input + i, 32), d = v128.load(input + i, 48)
    let found = bits(i8x16.eq(a, quote), i8x16.eq(b, quote), i8x16.eq(c, quote), i8x16.eq(d, quote))
    let doubtful: u64 = 0
    const la = i8x16.lt_u(a, space), lb = i8x16.lt_u(b, space), lc = i8x16.lt_u(c, space), ld = i8x16.lt_u(d, space)
    const ba = i8x16.eq(a, backslash), bb = i8x16.eq(b, backslash), bc = i8x16.eq(c, backslash), bd = i8x16.eq(d, backslash)
    if (carry != 0 || anyOf(ba, bb, bc, bd)) {
      let left = bits(ba, bb, bc, bd) & ~carry
      let escaped = carry
      carry = 0
      while (left) {
        const k = ctz(left)
        doubtful |= <u64>1 << k
        left &= left - 1
        if (k == 63) {
          carry = 1
        } else {
          escaped |= <u64>2 << k
          left &= ~(<u64>2 << k)
        }
      }
      found &= ~escaped
    }
    if (anyOf(la, lb, lc, ld)) {
      const ends = bits(i8x16.eq(a, newline), i8x16.eq(b, newline), i8x16.eq(c, newline), i8x16.eq(d, newline))
      lines += <u32>popcnt(ends)
      doubtful |= bits(la, lb, lc, ld) & ~ends
      found |= ends
    }
    while (doubtful) {
      store<u32>(suspect, i + <u32>ctz(doubtful))
      suspect += 4
      doubtful &= doubtful - 1
    }
    store<u64>(mark, found)
    mark += 8
  }
  // Where the slab ends with a block, the newline behind it stands in none.
  store<u64>(mark, ~0)
  store<u32>(suspect, 0xffffffff)
  newlines = lines + 1
}
