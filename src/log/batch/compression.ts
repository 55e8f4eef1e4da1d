/** Bytes that one batch may unpack to where the caller gives no limit. */
export const BYTES_MAX = 128 << 20

export function decompress(_codec: number, bytes: Uint8Array, _bytesMax: number): Uint8Array {
  return bytes
}
