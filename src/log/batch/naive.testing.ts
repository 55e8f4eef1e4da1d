/** Record batches once more, written from the format alone with big numbers and arrays of bytes: slow, plain, and independent of the code that is tested. */
export interface NaiveRecord {
  readonly timestamp: bigint
  readonly offsetDelta: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [string, Uint8Array | null])[]
}

export interface NaiveBatch {
  readonly baseOffset: bigint
  readonly leaderEpoch: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly records: readonly NaiveRecord[]
}

/** Bit by bit, as the polynomial says. */
export function naiveCrc32c(bytes: Iterable<number>): number {
  let crc = 0xffff_ffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x82f6_3b78n : crc >> 1n
  }
  return Number(crc ^ 0xffff_ffffn)
}

function fixed(value: bigint | number, bytes: number): number[] {
  const unsigned = BigInt.asUintN(bytes * 8, BigInt(value))
  return Array.from({ length: bytes }, (_, index) => Number((unsigned >> BigInt((bytes - 1 - index) * 8)) & 0xffn))
}

export function naiveVarint(value: bigint | number): number[] {
  const big = BigInt(value)
  let rest = big >= 0n ? big * 2n : -big * 2n - 1n
  const bytes: number[] = []
  for (; rest > 127n; rest /= 128n) bytes.push(Number(rest % 128n) + 128)
  return [...bytes, Number(rest)]
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const content = (bytes: Uint8Array | null): number[] => (bytes === null ? naiveVarint(-1) : [...naiveVarint(bytes.length), ...bytes])

export function naiveEncode(batch: NaiveBatch): Uint8Array {
  const records = batch.records.flatMap(({ timestamp, offsetDelta, key, value, headers }) => {
    const body = [
      0, ...naiveVarint(timestamp - batch.baseTimestamp), ...naiveVarint(offsetDelta), ...content(key), ...content(value), ...naiveVarint(headers.length),
      ...headers.flatMap(([name, bytes]) => [...content(text(name)), ...content(bytes)]),
    ]
    return [...naiveVarint(body.length), ...body]
  })
  return naiveBatch(batch, batch.records.length, records)
}

/** A header with a right checksum before whatever bytes. */
export function naiveBatch(batch: Omit<NaiveBatch, 'records'>, count: number, records: readonly number[]): Uint8Array {
  const checked = [
    ...fixed(batch.attributes, 2), ...fixed(batch.lastOffsetDelta, 4), ...fixed(batch.baseTimestamp, 8), ...fixed(batch.maxTimestamp, 8), ...fixed(batch.producerId, 8),
    ...fixed(batch.producerEpoch, 2), ...fixed(batch.baseSequence, 4), ...fixed(count, 4), ...records,
  ]
  const body = [...fixed(batch.leaderEpoch, 4), 2, ...fixed(naiveCrc32c(checked), 4), ...checked]
  return Uint8Array.from([...fixed(batch.baseOffset, 8), ...fixed(body.length, 4), ...body])
}
