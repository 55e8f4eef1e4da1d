/**
 * Whole numbers of variable length, as records carry them: seven bits a byte, lowest first, the top bit says that more follow.
 * Signed numbers are folded before that ("zig-zag"), so that small ones of either sign are short: 0, -1, 1, -2 become 0, 1, 2, 3.
 *
 * Lengths and deltas of offsets are 32 bits, at most 5 bytes; deltas of timestamps are 64 bits, at most 10 bytes. Numbers here are JavaScript's, so
 * deltas of timestamps are exact up to 2^53, which is 285,000 years of milliseconds.
 */

/** Bytes that a number of 32 bits takes. */
export function varintSize(value: number): number {
  const folded = ((value << 1) ^ (value >> 31)) >>> 0
  return folded < 0x80 ? 1 : folded < 0x4000 ? 2 : folded < 0x20_0000 ? 3 : folded < 0x1000_0000 ? 4 : 5
}

/** Writes a number of 32 bits; answers the place behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let folded = ((value << 1) ^ (value >> 31)) >>> 0
  while (folded >= 0x80) {
    bytes[at++] = (folded & 0x7f) | 0x80
    folded >>>= 7
  }
  bytes[at] = folded
  return at + 1
}

/** True for numbers that the short way above takes. */
const isShort = (value: number): boolean => value === (value | 0)

/** Bytes that a number of up to 53 bits takes. */
export function varlongSize(value: number): number {
  if (isShort(value)) return varintSize(value)
  let size = 1
  for (let rest = fold(value); rest >= 0x80n; rest >>= 7n) size++
  return size
}

/** Writes a number of up to 53 bits; answers the place behind it. */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  if (isShort(value)) return writeVarint(bytes, at, value)
  let rest = fold(value)
  while (rest >= 0x80n) {
    bytes[at++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  bytes[at] = Number(rest)
  return at + 1
}

/** Records more than 24 days apart within one batch are rare enough for big integers. */
function fold(value: number): bigint {
  const big = BigInt(value)
  return big >= 0n ? big << 1n : (-big << 1n) - 1n
}
