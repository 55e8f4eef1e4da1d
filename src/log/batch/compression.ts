/**
 * Packs and unpacks the records of batches. The header stays readable; what follows it is one packed block.
 *
 * gzip and zstd are Node's. LZ4 (frames) and Snappy are packed by `@platformatic/wasm-utils`, loaded when first used, and unpacked by `codecs/`: that package
 * takes no limit, and each damaged batch takes a piece of its memory for good, until nothing works any more. Packing goes through its second entry, `bundled`,
 * whose memory is its own and not the one that the Kafka client unpacks with.
 *
 * Unpacking is bounded by the caller's limit, and everything wrong is LOG_CORRUPT.
 */
import { promisify } from 'node:util'
import { gunzip, gunzipSync, gzip, zstdCompress, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import type { ZlibOptions, ZstdOptions } from 'node:zlib'
import { SluiceError } from '../../base/index.ts'
import type { Compression } from '../log.ts'
import { checkBatch, corrupt } from './check.ts'
import { unpackLz4 } from './codecs/lz4.ts'
import { unpackSnappy } from './codecs/snappy.ts'
import { CODEC_MASK, HEADER_BYTES, PREFIX_BYTES, attributesOf, codecOf, countOf, sealBatch, writeInt16, writeInt32 } from './header.ts'

/** Bytes that one batch may unpack to where the caller gives no limit. */
export const BYTES_MAX = 128 << 20
/** Packed batches from this size on are unpacked on another thread where the codec can: below it, the way there costs more. */
const ASYNC_FROM = 64 << 10

/** By their numbers in the attributes. */
export const CODECS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** The name of a batch's compression. */
export function compressionOf(batch: Uint8Array, at = 0): Compression {
  return CODECS[codecOf(batch, at)] ?? 'none'
}

/** The content of packed records, at once. */
export function decompress(codec: number, bytes: Uint8Array, bytesMax: number = BYTES_MAX): Uint8Array {
  try {
    switch (CODECS[codec]) {
      case 'none': return bytes
      case 'gzip': return whole(bytes, gunzipSync(bytes, options(bytes, bytesMax)))
      case 'snappy': return unpackSnappy(bytes, bytesMax)
      case 'lz4': return unpackLz4(bytes, bytesMax)
      case 'zstd': return whole(bytes, zstdDecompressSync(bytes, options(bytes, bytesMax)))
      default: throw new Error('unknown compression')
    }
  } catch (error) {
    throw unpackError(codec, error, bytesMax)
  }
}

/** The same, on another thread where the codec can and the bytes are many. */
export async function decompressAsync(codec: number, bytes: Uint8Array, bytesMax: number = BYTES_MAX): Promise<Uint8Array> {
  const name = CODECS[codec]
  if (bytes.length < ASYNC_FROM || (name !== 'gzip' && name !== 'zstd')) return decompress(codec, bytes, bytesMax)
  try {
    return whole(bytes, await (name === 'gzip' ? gunzipAsync : zstdDecompressAsync)(bytes, options(bytes, bytesMax)))
  } catch (error) {
    throw unpackError(codec, error, bytesMax)
  }
}

/** With `info`, Node hands out how much of the input was used. */
function options(bytes: Uint8Array, bytesMax: number) {
  return { info: true, maxOutputLength: Math.max(bytesMax, 1), chunkSize: Math.min(Math.max(bytes.length * 4, 4 << 10), 1 << 20) }
}

/** What was unpacked, if that took all of the bytes: Node passes over what stands behind. */
function whole(bytes: Uint8Array, result: unknown): Uint8Array {
  // The types leave out what `info` changes.
  const { buffer, engine } = result as { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } }
  if (engine.bytesWritten !== bytes.length) throw new Error('bytes behind the packed records')
  return buffer
}

function unpackError(codec: number, error: unknown, bytesMax: number): SluiceError {
  const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
  const reason = isTooLarge ? `more than ${bytesMax} bytes when unpacked` : error instanceof Error ? error.message : String(error)
  return new SluiceError('LOG_CORRUPT', `Records packed with ${CODECS[codec] ?? `codec ${codec}`}: ${reason}.`, { cause: error })
}

type Pack = (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>

const gzipAsync = promisify(gzip)
const gunzipAsync = promisify<Uint8Array, ZlibOptions, Uint8Array>(gunzip)
const zstdAsync = promisify(zstdCompress)
const zstdDecompressAsync = promisify<Uint8Array, ZstdOptions, Uint8Array>(zstdDecompress)

/** Loaded at its first use, once. */
let packages: Promise<typeof import('@platformatic/wasm-utils')> | undefined

async function packerOf(codec: Compression): Promise<Pack> {
  if (codec === 'gzip') return bytes => gzipAsync(bytes)
  if (codec === 'zstd') return bytes => zstdAsync(bytes)
  packages ??= import('@platformatic/wasm-utils/bundled')
  const { lz4Compress, snappyCompress } = await packages
  const pack = codec === 'lz4' ? lz4Compress : snappyCompress
  return bytes => pack(asBuffer(bytes))
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** Packs the records of one finished batch. The answer is the batch itself where it holds none, is packed already, or would not become smaller. */
export async function compressBatch(batch: Uint8Array, codec: Compression): Promise<Uint8Array> {
  if (codec === 'none' || codecOf(batch) !== 0 || countOf(batch) === 0) return batch
  const pack = await packerOf(codec)
  const packed = await pack(batch.subarray(HEADER_BYTES))
  return packed.length >= batch.length - HEADER_BYTES ? batch : withRecords(batch.subarray(0, HEADER_BYTES), packed, CODECS.indexOf(codec))
}

/**
 * The same batches with their records unpacked; the very array where none is packed. Checksums are looked at and then made anew, so whoever reads the answer
 * need not look again. All batches together unpack to `bytesMax` at most.
 */
export async function decompressBatches(bytes: Uint8Array, bytesMax: number = BYTES_MAX): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let packed = 0
  let left = bytesMax
  for (let at = 0; at < bytes.length; ) {
    const check = checkBatch(bytes, at)
    if (!check.ok) throw corrupt(check.reason, at)
    const end = at + check.length
    const codec = codecOf(bytes, at)
    let part = bytes.subarray(at, end)
    if (codec !== 0) {
      packed++
      part = withRecords(part.subarray(0, HEADER_BYTES), await decompressAsync(codec, part.subarray(HEADER_BYTES), left), 0)
      left = Math.max(left - part.length, 0)
    }
    parts.push(part)
    at = end
  }
  return packed === 0 ? bytes : Buffer.concat(parts)
}

/** The batch of a header and other records. */
function withRecords(header: Uint8Array, recordBytes: Uint8Array, codec: number): Uint8Array {
  const batch = Buffer.allocUnsafeSlow(HEADER_BYTES + recordBytes.length)
  batch.set(header)
  batch.set(recordBytes, HEADER_BYTES)
  writeInt32(batch, 8, batch.length - PREFIX_BYTES)
  writeInt16(batch, 21, (attributesOf(batch) & ~CODEC_MASK) | codec)
  sealBatch(batch, 0, batch.length)
  return batch
}
