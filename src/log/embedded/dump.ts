/** What stands in a segment file, batch by batch. Reads only; goes on behind what is damaged where it can. */
import { basename, dirname } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import { readOnlyFiles } from '../../platform/index.ts'
import type { Files } from '../../platform/index.ts'
import {
  CODECS, baseOffsetOf, baseSequenceOf, checkBatch, codecOf, countOf, decodeControlBatch, isControl, isTransactional, lastOffsetOf, leaderEpochOf, maxTimestampOf, producerEpochOf, producerIdOf,
} from '../batch/index.ts'
import { Segment, segmentBase } from './storage/segment.ts'

export interface BatchDump {
  /** Place in the file, and length there. */
  readonly at: number
  readonly bytes: number
  readonly from: bigint
  readonly to: bigint
  readonly records: number
  readonly compression: string
  /** Greatest time of its records, milliseconds since 1970. */
  readonly timestamp: number
  readonly leaderEpoch: number
  /** Of an idempotent producer. */
  readonly producer: { readonly id: bigint; readonly epoch: number; readonly sequence: number } | undefined
  readonly transactional: boolean
  /** How the transaction of the producer ends here. */
  readonly control: 'commit' | 'abort' | undefined
  /** Why it can't be used; undefined where its checksum fits. */
  readonly damage: string | undefined
  /** The batch itself, with its header. Holds until the next one is asked for. */
  readonly data: Uint8Array
}

/** The batches of a segment file that hold `from` or lie behind it; what is damaged is among them wherever it lies. Throws LOG_FORMAT where the name is none of a segment. */
export async function* dumpSegment(path: string, files: Files = readOnlyFiles, from = 0n): AsyncGenerator<BatchDump, void> {
  const base = segmentBase(basename(path))
  if (base === undefined) throw new SluiceError('LOG_FORMAT', `${path} is no segment: its name is not 20 digits and ".log".`, { place: path })
  const segment = await Segment.open(dirname(path), base, files)
  const end = segment.length
  try {
    for (let at = 0; at < end;) {
      for await (const { bytes, from: begin, length, at: place } of segment.walk(at, end)) {
        if (lastOffsetOf(bytes, begin) >= from) yield dumpOf(bytes.subarray(begin, begin + length), place)
        at = place + length
      }
      if (at >= end) return
      const whole = await segment.nextWhole(at + 1, end, 0n)
      const rest = await segment.bytesAt(at, Math.min((whole?.at ?? end) - at, 1024))
      const check = checkBatch(rest)
      yield { ...NOTHING, at, bytes: (whole?.at ?? end) - at, damage: check.ok ? 'it is no batch' : check.reason, data: rest }
      at = whole?.at ?? end
    }
  } finally {
    await segment.close()
  }
}

const NOTHING = { from: -1n, to: -1n, records: 0, compression: 'none', timestamp: -1, leaderEpoch: -1, producer: undefined, transactional: false, control: undefined } as const

function dumpOf(data: Uint8Array, at: number): BatchDump {
  const check = checkBatch(data)
  const id = producerIdOf(data)
  return {
    at, data,
    bytes: data.length,
    from: baseOffsetOf(data),
    to: lastOffsetOf(data),
    records: countOf(data),
    compression: CODECS[codecOf(data)] ?? String(codecOf(data)),
    timestamp: maxTimestampOf(data),
    leaderEpoch: leaderEpochOf(data),
    producer: id < 0n ? undefined : { id, epoch: producerEpochOf(data), sequence: baseSequenceOf(data) },
    transactional: isTransactional(data),
    control: check.ok && isControl(data) ? (decodeControlBatch(data)?.commit === true ? 'commit' : 'abort') : undefined,
    damage: check.ok ? undefined : check.reason,
  }
}
