/**
 * Vector operations on string columns: equality with a literal, and look-up in a dictionary.
 *
 * A dictionary is an open-addressing table of slots (hash, number + 1; 0 is free) over entries (place and length of key and of value). It is at most half
 * full; the host adds keys and makes the table larger. Tables and entries are named by a record of four numbers, so that they may move between calls.
 */
import { ends, input, kinds, starts, stride } from './memory.as'
import { ESCAPED, STRING } from './token.as'

export const ENTRY: usize = 16

// @ts-ignore: a decorator of AssemblyScript
@inline
function tail(p: usize, length: u32): u64 {
  return load<u64>(p) & ((<u64>1 << (length << 3)) - 1)
}

/** Equality of `length` bytes; reads up to seven bytes behind both. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function same(a: usize, b: usize, length: u32): bool {
  while (length >= 8) {
    if (load<u64>(a) != load<u64>(b)) return false
    a += 8
    b += 8
    length -= 8
  }
  return length == 0 || tail(a, length) == tail(b, length)
}

/** Multiplies and folds eight bytes at a time. */
export function hash(p: usize, length: u32): u32 {
  let h: u64 = <u64>length * 0x9e3779b97f4a7c15
  while (length >= 8) {
    h = (h ^ load<u64>(p)) * 0xff51afd7ed558ccd
    h ^= h >> 32
    p += 8
    length -= 8
  }
  if (length) {
    h = (h ^ tail(p, length)) * 0xff51afd7ed558ccd
    h ^= h >> 32
  }
  return <u32>(h >> 7)
}

/** Number of a key in the dictionary at `table` (slots, mask, entries, size), or -1. */
export function find(table: usize, p: usize, length: u32): i32 {
  const slots = load<usize>(table)
  const mask = load<u32>(table, 4)
  const entries = load<usize>(table, 8)
  const h = hash(p, length)
  let slot = h & mask
  for (let number = load<u32>(slots + (<usize>slot << 3), 4); number != 0; number = load<u32>(slots + (<usize>slot << 3), 4)) {
    if (load<u32>(slots + (<usize>slot << 3)) == h) {
      const entry = entries + <usize>(number - 1) * ENTRY
      if (load<u32>(entry, 4) == length && same(load<usize>(entry), p, length)) return <i32>number - 1
    }
    slot = (slot + 1) & mask
  }
  return -1
}

function insert(table: usize, h: u32, number: u32): void {
  const slots = load<usize>(table)
  const mask = load<u32>(table, 4)
  let slot = h & mask
  while (load<u32>(slots + (<usize>slot << 3), 4) != 0) slot = (slot + 1) & mask
  store<u32>(slots + (<usize>slot << 3), h)
  store<u32>(slots + (<usize>slot << 3), number + 1, 4)
}

/** Enters keys `from` to `to` of the dictionary's entries in its slots; they are not there yet. */
export function enter(table: usize, from: u32, to: u32): void {
  for (let number = from; number < to; number++) {
    const entry = load<usize>(table, 8) + <usize>number * ENTRY
    insert(table, hash(load<usize>(entry), load<u32>(entry, 4)), number)
  }
}

/** Writes the dictionary numbers of a string column; answers how many rows hold a string with escapes, which the host must look up. */
export function lookup(field: u32, rows: u32, table: usize, ids: usize): u32 {
  const first = field * stride
  let unsure: u32 = 0
  for (let row: u32 = 0; row < rows; row++) {
    const at = first + row
    const kind = load<u8>(kinds + at)
    let id = -2
    if (kind == STRING) {
      const start = load<u32>(starts + (at << 2))
      id = find(table, input + start + 1, load<u32>(ends + (at << 2)) - start - 2)
    } else if (kind == ESCAPED) {
      unsure++
    }
    store<i32>(ids + (<usize>row << 2), id)
  }
  return unsure
}

/** Marks the rows whose string is the literal; answers how many rows hold a string with escapes, which the host must compare. */
export function equals(field: u32, rows: u32, literal: usize, length: u32, mask: usize): u32 {
  const first = field * stride
  let unsure: u32 = 0
  for (let row: u32 = 0; row < rows; row++) {
    const at = first + row
    const kind = load<u8>(kinds + at)
    let equal = false
    if (kind == STRING) {
      const start = load<u32>(starts + (at << 2))
      equal = load<u32>(ends + (at << 2)) - start - 2 == length && same(input + start + 1, literal, length)
    } else if (kind == ESCAPED) {
      unsure++
    }
    store<u8>(mask + row, <u8>equal)
  }
  return unsure
}
