/**
 * Unpacks LZ4 frames. Our own, because packages at hand either trust the bytes or can't be limited: here every length is held against what is there and
 * against the limit, so that hostile bytes give an error and nothing else.
 *
 *     frame = magic  flags  sizes  [content size 8]  [dictionary 4]  header check  { block size 4, block, [check 4] }  0 x 4  [check 4]
 *     block = { token, [more literals], literals, distance 2, [more match] }     the last has literals only
 *
 * Numbers are little-endian. The checksums of the frame are not looked at: that of the record batch covers all of it.
 * After the LZ4 block and frame formats, versions 1.6.x (lz4.org).
 */
import { Unpacked } from './unpacked.ts'

const MAGIC = 0x184d_2204
const VERSION = 0x40
const LINKED_OFF = 0x20
const BLOCK_CHECK = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECK = 0x04
const DICTIONARY = 0x01
const STORED = 0x8000_0000
const MATCH_MIN = 4

/** The content of a frame. Throws an Error where the bytes are none, or hold more than `bytesMax`. */
export function unpackLz4(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 7 || view.getUint32(0, true) !== MAGIC) throw new Error('no LZ4 frame')
  const flags = view.getUint8(4)
  if ((flags & 0xc0) !== VERSION) throw new Error('an LZ4 frame of an unknown version')
  if ((flags & DICTIONARY) !== 0) throw new Error('an LZ4 frame that needs a dictionary')
  const sizeClass = (view.getUint8(5) >> 4) & 7
  if (sizeClass < 4) throw new Error('an LZ4 frame with an impossible block size')
  const blockMax = 1 << (8 + 2 * sizeClass)
  const out = new Unpacked(bytes, bytesMax, bytes.length * 4)
  let at = 7 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8)
  for (;;) {
    if (at + 4 > bytes.length) throw new Error('an LZ4 frame that ends too early')
    const word = view.getUint32(at, true)
    at += 4
    if (word === 0) break
    const size = word % STORED
    if (size > blockMax || at + size > bytes.length) throw new Error('an LZ4 block that reaches beyond its frame')
    const start = out.length
    if (word >= STORED) out.literals(at, at + size)
    else unpackBlock(bytes, at, at + size, out, (flags & LINKED_OFF) === 0 ? 0 : start)
    if (out.length - start > blockMax) throw new Error('an LZ4 block that unpacks to more than its frame allows')
    at += size + ((flags & BLOCK_CHECK) === 0 ? 0 : 4)
  }
  at += (flags & CONTENT_CHECK) === 0 ? 0 : 4
  if (at !== bytes.length) throw new Error('bytes behind an LZ4 frame, or too few')
  return out.take()
}

/** Unpacks one block; matches reach back to `floor` at most. */
function unpackBlock(bytes: Uint8Array, from: number, to: number, out: Unpacked, floor: number): void {
  let at = from
  for (;;) {
    if (at >= to) throw new Error('an LZ4 block that ends too early')
    const token = bytes[at++] ?? 0
    let literals = token >> 4
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (at >= to) throw new Error('an LZ4 block that ends too early')
        more = bytes[at++] ?? 0
      }
    }
    if (at + literals > to) throw new Error('LZ4 literals that reach beyond their block')
    out.literals(at, at + literals)
    at += literals
    if (at === to) return
    if (at + 2 > to) throw new Error('an LZ4 block that ends too early')
    const distance = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
    at += 2
    let match = (token & 15) + MATCH_MIN
    if (match === 15 + MATCH_MIN) {
      for (let more = 255; more === 255; match += more) {
        if (at >= to) throw new Error('an LZ4 block that ends too early')
        more = bytes[at++] ?? 0
      }
    }
    out.match(distance, match, floor)
  }
}
