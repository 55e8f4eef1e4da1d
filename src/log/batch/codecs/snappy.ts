/**
 * Unpacks Snappy: raw, as most clients write it, and framed as Java's library does ("xerial"). Our own for the reason given in lz4.ts.
 *
 *     raw    = size (varint)  { tag: 00 literals | 01, 10, 11 repetition with a distance of 11, 16, 32 bits }
 *     xerial = 82 "SNAPPY" 0  version 4  compatible 4  { size 4, big-endian, raw }
 *
 * After google/snappy's format_description.txt and the header of snappy-java's SnappyCodec.
 */
import { Unpacked } from './unpacked.ts'

const XERIAL = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const XERIAL_HEADER_BYTES = 16

/** The content. Throws an Error where the bytes are not Snappy, or hold more than `bytesMax`. */
export function unpackSnappy(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const isXerial = bytes.length >= XERIAL_HEADER_BYTES && XERIAL.every((byte, index) => bytes[index] === byte)
  const out = new Unpacked(bytes, bytesMax, bytes.length * 4)
  if (!isXerial) unpackRaw(bytes, 0, bytes.length, out, bytesMax)
  for (let at = XERIAL_HEADER_BYTES; isXerial && at < bytes.length; ) {
    if (at + 4 > bytes.length) throw new Error('Snappy that ends too early')
    const size = (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
    at += 4
    if (at + size > bytes.length) throw new Error('a Snappy block that reaches beyond its frame')
    unpackRaw(bytes, at, at + size, out, bytesMax)
    at += size
  }
  return out.take()
}

function unpackRaw(bytes: Uint8Array, from: number, to: number, out: Unpacked, bytesMax: number): void {
  let at = from
  const floor = out.length
  let size = 0
  for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
    if (at >= to || shift > 28) throw new Error('Snappy with an impossible size')
    byte = bytes[at++] ?? 0
    size += (byte & 0x7f) * 2 ** shift
  }
  const end = floor + size
  if (end > bytesMax) throw new Error(`more than ${bytesMax} bytes when unpacked`)
  while (at < to) {
    const tag = bytes[at++] ?? 0
    const kind = tag & 3
    if (kind === 0) {
      let count = (tag >> 2) + 1
      if (count > 60) {
        const width = count - 60
        count = littleEndian(bytes, at, to, width) + 1
        at += width
      }
      if (at + count > to) throw new Error('Snappy literals that reach beyond their block')
      if (out.length + count > end) throw new Error('Snappy that is longer than it says')
      out.literals(at, at + count)
      at += count
    } else {
      const width = kind === 3 ? 4 : kind
      const rest = littleEndian(bytes, at, to, width)
      at += width
      const count = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
      if (out.length + count > end) throw new Error('Snappy that is longer than it says')
      out.match(kind === 1 ? ((tag >> 5) << 8) | rest : rest, count, floor)
    }
  }
  if (out.length !== end) throw new Error('Snappy that is shorter than it says')
}

function littleEndian(bytes: Uint8Array, at: number, to: number, width: number): number {
  if (at + width > to) throw new Error('Snappy that ends too early')
  let value = 0
  for (let index = width - 1; index >= 0; index--) value = value * 256 + (bytes[at + index] ?? 0)
  return value
}
