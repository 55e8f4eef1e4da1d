/** The small tokens of JSON, shared by the walks over a line. Addresses are absolute; a newline ends every loop here. */
import { POWERS_OF_TEN, putField, putNumber } from './memory.as'

export const MISSING: u8 = 0
export const NULL: u8 = 1
export const FALSE: u8 = 2
export const TRUE: u8 = 3
export const NUMBER: u8 = 4
export const STRING: u8 = 5
export const OBJECT: u8 = 6
export const ARRAY: u8 = 7
export const INEXACT: u8 = 8
export const ESCAPED: u8 = 9

// @ts-ignore: a decorator of AssemblyScript
@inline
export function skipSpace(p: usize): usize {
  let c = load<u8>(p)
  while (c == 32 || c == 9 || c == 13) c = load<u8>(++p)
  return p
}

// @ts-ignore: a decorator of AssemblyScript
@inline
export function isDigit(p: usize): bool {
  return <u8>(load<u8>(p) - 48) < 10
}

// @ts-ignore: a decorator of AssemblyScript
@inline
export function isHex(c: u8): bool {
  return (c >= 48 && c <= 57) || ((c | 32) >= 97 && (c | 32) <= 102)
}

/**
 * Checks the number at `p` and answers the address behind it, or 0 where there is none. For a wanted field (`field >= 0`) it is converted as well.
 *
 * The conversion is exact when the digits fit in 53 bits and the power of ten is one that a double holds exactly (at most 10^22): then one multiplication
 * or division rounds once, correctly (Clinger, "How to read floating point numbers accurately", 1990). Otherwise the kind says INEXACT and the host converts.
 */
export function number(p: usize, field: i32, row: u32): usize {
  const start = p
  let digits: u64 = 0
  let scale = 0
  let exponent = 0
  const negative = load<u8>(p) == 45
  if (negative) p++
  const first = p
  if (load<u8>(p) == 48) {
    p++
  } else {
    while (isDigit(p)) digits = digits * 10 + (load<u8>(p++) - 48)
    if (p == first) return 0
  }
  let count = p - first
  if (load<u8>(p) == 46) {
    const fraction = ++p
    while (isDigit(p)) digits = digits * 10 + (load<u8>(p++) - 48)
    scale = <i32>(p - fraction)
    if (scale == 0) return 0
    count += scale
  }
  if ((load<u8>(p) | 32) == 101) {
    const sign = load<u8>(++p)
    if (sign == 43 || sign == 45) p++
    if (!isDigit(p)) return 0
    for (; isDigit(p); p++) if (exponent < 10000) exponent = exponent * 10 + (load<u8>(p) - 48)
    if (sign == 45) exponent = -exponent
  }
  if (field >= 0) {
    const power = exponent - scale
    const exact = count <= 19 && digits >> 53 == 0 && power >= -22 && power <= 22
    let value: f64 = 0
    if (exact) {
      value = <f64>digits
      value = power < 0 ? value / load<f64>(POWERS_OF_TEN + (<usize>(-power) << 3)) : value * load<f64>(POWERS_OF_TEN + (<usize>power << 3))
      if (negative) value = -value
    }
    putNumber(field, row, value)
    putField(field, row, exact ? NUMBER : INEXACT, start, p)
    if (!exact) inexact++
  }
  return p
}

/**
 * The same for most numbers, without a loop: at most fourteen digits, no exponent. Falls back on `number`.
 *
 * The digits' places come from one comparison of sixteen bytes. For the value, the digits are moved to the right end of a vector with the point left out,
 * and neighbours are joined to numbers of two, four and eight digits.
 */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function simpleNumber(p: usize, field: i32, row: u32): usize {
  const negative = load<u8>(p) == 45
  const first = p + <usize>negative
  const digits = i8x16.sub(v128.load(first), i8x16.splat(48))
  // Bit i is set where byte i is no digit; one behind the last byte stops the count.
  const others = ~i8x16.bitmask(i8x16.lt_u(digits, i8x16.splat(10))) | 0x10000
  const whole = ctz(others)
  let end = first + whole
  let count = whole
  let scale = 0
  let next = load<u8>(end)
  if (next == 46) {
    scale = ctz(others >> (whole + 1))
    count += scale
    end += scale + 1
    next = load<u8>(end)
    if (scale == 0) return 0
  }
  if (whole == 0 || count > 14 || (next | 32) == 101 || (whole > 1 && load<u8>(first) == 48)) return number(p, field, row)
  if (field >= 0) {
    const place = i8x16.sub(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>(16 - count)))
    const source = i8x16.sub(place, i8x16.ge_s(place, i8x16.splat(<i8>whole)))
    const aligned = i8x16.swizzle(digits, source)
    const tens = i8x16(10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1)
    const two = i16x8.narrow_i32x4_u(
      i32x4.extadd_pairwise_i16x8_u(i16x8.extmul_low_i8x16_u(aligned, tens)),
      i32x4.extadd_pairwise_i16x8_u(i16x8.extmul_high_i8x16_u(aligned, tens)),
    )
    const four = i32x4.dot_i16x8_s(two, i16x8(100, 1, 100, 1, 100, 1, 100, 1))
    const eight = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_u(four, four), i16x8(10000, 1, 10000, 1, 10000, 1, 10000, 1))
    const joined = <u64>i32x4.extract_lane(eight, 0) * 100000000 + <u64>i32x4.extract_lane(eight, 1)
    const value = <f64>joined / load<f64>(POWERS_OF_TEN + (<usize>scale << 3))
    putNumber(field, row, negative ? -value : value)
    putField(field, row, NUMBER, p, end)
  }
  return end
}

/** Numbers of the last scan that the host must convert. */
export let inexact: u32 = 0
export function resetInexact(): void {
  inexact = 0
}
