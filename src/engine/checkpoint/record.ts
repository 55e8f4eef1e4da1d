/**
 * One cut as bytes. Format: docs/formats/checkpoint.md.
 *
 *     u32 magic "SLCK" | u32 length of body | u32 CRC-32 of body | body
 *     body: u32 length of head | head: JSON | bytes of the groups, one after the other
 */
import { crc32 } from 'node:zlib'
import type { JsonValue } from '../../event/index.ts'
import type { GroupState } from '../messages.ts'

export const MAGIC = 0x4b434c53
export const VERSION = 1
export const HEADER = 12

/** What one cut commits together. */
export interface Cut {
  /** Milliseconds since 1970. */
  readonly time: number
  /** Per source: the position behind which to read on. */
  readonly positions: Readonly<Record<string, JsonValue>>
  /** Per sink: where to put it back to. */
  readonly marks: Readonly<Record<string, JsonValue>>
  readonly counters: JsonValue
  /** Memory of stages: the key groups that changed since the cut before. */
  readonly groups: readonly GroupState[]
}

interface Head extends Omit<Cut, 'groups'> {
  readonly version: number
  readonly pipeline: string
  readonly id: number
  readonly groups: readonly { readonly stage: string; readonly table: string; readonly group: number; readonly bytes: number }[]
}

export function encodeCut(pipeline: string, id: number, cut: Cut): Buffer {
  const { groups, ...rest } = cut
  const described = groups.map(({ stage, table, group, bytes }) => ({ stage, table, group, bytes: bytes.length }))
  const head = Buffer.from(JSON.stringify({ version: VERSION, pipeline, id, ...rest, groups: described } satisfies Head))
  const body = 4 + head.length + groups.reduce((sum, group) => sum + group.bytes.length, 0)
  const out = Buffer.allocUnsafeSlow(HEADER + body)
  out.writeUInt32LE(MAGIC, 0)
  out.writeUInt32LE(body, 4)
  out.writeUInt32LE(head.length, HEADER)
  head.copy(out, HEADER + 4)
  let at = HEADER + 4 + head.length
  for (const { bytes } of groups) {
    out.set(bytes, at)
    at += bytes.length
  }
  out.writeUInt32LE(crc32(out.subarray(HEADER)), 8)
  return out
}

export interface DecodedCut extends Cut {
  readonly version: number
  readonly pipeline: string
  readonly id: number
}

/** Reads the record at `at`. Answers `torn` where the bytes end too early or do not check. */
export function decodeCut(bytes: Uint8Array, at: number): { cut: DecodedCut; end: number } | 'torn' {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (at + HEADER > buffer.length || buffer.readUInt32LE(at) !== MAGIC) return 'torn'
  const start = at + HEADER
  const end = start + buffer.readUInt32LE(at + 4)
  if (end > buffer.length || end - start < 4 || crc32(buffer.subarray(start, end)) !== buffer.readUInt32LE(at + 8)) return 'torn'
  const headEnd = start + 4 + buffer.readUInt32LE(start)
  const head = JSON.parse(buffer.toString('utf8', start + 4, headEnd)) as Head // The checksum says that encodeCut wrote it.
  let from = headEnd
  const groups = head.groups.map(({ stage, table, group, bytes: length }) => {
    from += length
    return { stage, table, group, bytes: new Uint8Array(buffer.subarray(from - length, from)) }
  })
  return { cut: { ...head, groups }, end }
}
