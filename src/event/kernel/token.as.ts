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

/** Numbers of the last scan that the host must convert. */
export let inexact: u32 = 0
export function resetInexact(): void {
  inexact = 0
}
