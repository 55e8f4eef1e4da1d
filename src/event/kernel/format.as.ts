/**
 * Numbers to text, as JavaScript writes them: the shortest decimal that reads back as the same double, and of those the one nearest to it.
 *
 * A double below 2^53 is m / 2^s with m < 2^53. For a number of decimals k, n = round(m * 10^k / 2^s) is the nearest decimal n / 10^k, and it reads back as the
 * double when it lies within half a unit of m: |n * 2^s - m * 10^k| * 2 <= 10^k (equality counts only for even m: a tie reads as the even neighbour). Both sides are
 * exact in whole numbers: the product m * 10^k has 128 bits, and the difference, being small, is right even when computed modulo 2^64.
 *
 * Two decimals of 15 significant digits never read back as one double, so if the nearest one of 15 digits does, it is the shortest once its zeros are taken away;
 * otherwise 16 digits are tried, then 17, which always do. Powers of two (whose lower neighbour is nearer), and what JavaScript writes with an exponent, go to the host.
 */
import { POWERS_OF_TEN } from './memory.as'

// @ts-ignore: a decorator of AssemblyScript
@external('env', 'format')
declare function formatByHost(value: f64, to: usize): u32

/** Most bytes that one number takes. */
export const NUMBER_BYTES: usize = 32

const PLACES = memory.data<u64>([
  1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000,
  1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
])
const DIGITS = memory.data(32, 16)

// @ts-ignore: a decorator of AssemblyScript
@inline
function power(k: u32): u64 {
  return load<u64>(PLACES + (<usize>k << 3))
}

/** Writes n / 10^k; answers the address behind it. The last digit behind the point, if any, is not 0. */
function writeDecimal(to: usize, n: u64, k: u32): usize {
  let at = DIGITS + 32
  let left = k
  do {
    const digit = <u8>(n % 10)
    n /= 10
    store<u8>(--at, 48 + digit)
    if (left > 0 && --left == 0) store<u8>(--at, 46)
  } while (n != 0 || left > 0)
  if (load<u8>(at) == 46) store<u8>(--at, 48)
  const length = DIGITS + 32 - at
  v128.store(to, v128.load(at))
  v128.store(to, v128.load(at, 16), 16)
  return to + length
}

/** Writes a number as JSON.stringify does; answers the address behind it. Up to NUMBER_BYTES + 32 bytes may be written. */
export function writeNumber(to: usize, value: f64): usize {
  const bits = reinterpret<u64>(value)
  const size = abs(value)
  if (!(size < 9007199254740992)) return to + <usize>formatByHost(value, to)
  if (value < 0) store<u8>(to++, 45)
  const whole = <u64>size
  if (<f64>whole == size) return writeDecimal(to, whole, 0)
  if (size < 0.0001) return value < 0 ? to - 1 + <usize>formatByHost(value, to - 1) : to + <usize>formatByHost(value, to)
  // Most numbers have few decimals; a division proves them, since both sides are exact (see `number` in token.as.ts). Of fifteen digits there is one at most.
  for (let k: u32 = 1; k <= 3; k++) {
    const scaled = size * load<f64>(POWERS_OF_TEN + (<usize>k << 3))
    const n = <u64>(scaled + 0.5)
    if (n < 1000000000000000 && <f64>n / load<f64>(POWERS_OF_TEN + (<usize>k << 3)) == size) return writeDecimal(to, n, k)
  }
  return writeShortest(to, bits, size, whole, value < 0)
}

function writeShortest(to: usize, bits: u64, size: f64, whole: u64, negative: bool): usize {
  const fraction = bits & 0xfffffffffffff
  const s = 1075 - <i32>((bits >> 52) & 0x7ff)
  const m = fraction | 0x10000000000000
  // Significant digits in front of the point decide how many places make fifteen; below one, zeros behind the point don't count.
  let k: i32 = 15
  if (whole != 0) for (let left = whole; left != 0; left /= 10) k--
  else for (let probe = size * 10; probe < 1; probe *= 10) k++
  if (fraction != 0 && s > 0 && s < 64) {
    const most = min(k + 2, 18)
    // A whole number is at least a unit of m away from one that is not.
    for (k = max(k, 1); k <= most; k++) {
      const places = power(k)
      const n = scaled(m, places, s)
      const difference = <i64>((n << s) - m * places)
      const twice = <u64>abs(difference) * 2
      // Halfway between two decimals: JavaScript's choice is left to JavaScript.
      if (twice == <u64>1 << s) break
      if (twice < places || (twice == places && (m & 1) == 0)) return writeTrimmed(to, n, k)
    }
  }
  if (negative) to--
  return to + <usize>formatByHost(negative ? -size : size, to)
}

/** round(m * places / 2^s), m below 2^53, places below 2^60, 0 < s < 64. */
function scaled(m: u64, places: u64, s: u32): u64 {
  const m0 = m & 0xffffffff, m1 = m >> 32, p0 = places & 0xffffffff, p1 = places >> 32
  const low = m0 * p0
  const middle = m1 * p0 + (low >> 32)
  const middle2 = m0 * p1 + (middle & 0xffffffff)
  const high = m1 * p1 + (middle >> 32) + (middle2 >> 32)
  const bottom = (middle2 << 32) | (low & 0xffffffff)
  const floor = (high << (64 - s)) | (bottom >> s)
  return floor + ((bottom >> (s - 1)) & 1)
}

function writeTrimmed(to: usize, n: u64, k: u32): usize {
  while (k > 0 && n % 10 == 0) {
    n /= 10
    k--
  }
  return writeDecimal(to, n, k)
}
