/**
 * The records of `__transaction_state`, in Kafka's format (versions 0): one key per transactional id, the newest value counts. docs/formats/log-internal-topics.md.
 */
import { SluiceError } from '../../base/index.ts'
import type { Entry } from './internal-topic.ts'
import { WireReader, WireWriter } from './wire.ts'

/** In the order of Kafka's numbers. */
const STATUSES = ['empty', 'ongoing', 'prepare_commit', 'prepare_abort', 'complete_commit', 'complete_abort'] as const
export type TransactionStatus = (typeof STATUSES)[number]

export interface TransactionRecord {
  readonly name: string
  readonly producerId: bigint
  readonly epoch: number
  readonly timeout: number
  readonly status: TransactionStatus
  /** Topic and partitions that hold records of the transaction; empty unless `prepare_*`. */
  readonly partitions: ReadonlyMap<string, readonly number[]>
  readonly updated: number
  readonly started: number
}

export function encodeTransaction(record: TransactionRecord): Entry {
  const value = new WireWriter().int16(0).int64(record.producerId).int16(record.epoch).int32(record.timeout).int8(STATUSES.indexOf(record.status))
  value.int32(record.partitions.size)
  for (const [topic, partitions] of record.partitions) {
    value.text(topic).int32(partitions.length)
    for (const partition of partitions) value.int32(partition)
  }
  return { key: transactionKey(record.name), value: value.int64(BigInt(record.updated)).int64(BigInt(record.started)).bytes() }
}

export function transactionKey(name: string): Uint8Array {
  return new WireWriter().int16(0).text(name).bytes()
}

/** The record; undefined for keys of a later kind. A tombstone has no value. */
export function decodeTransaction({ key, value }: Entry): { readonly name: string; readonly record: TransactionRecord | undefined } | undefined {
  const keyReader = new WireReader(key)
  if (keyReader.int16() !== 0) return undefined
  const name = keyReader.text()
  return { name, record: value === null ? undefined : decodeValue(name, new WireReader(value)) }
}

function decodeValue(name: string, value: WireReader): TransactionRecord {
  const version = value.int16()
  if (version !== 0) throw new SluiceError('LOG_FORMAT', `The state of transaction "${name}" has version ${version}; this program knows 0.`)
  const producerId = value.int64()
  const epoch = value.int16()
  const timeout = value.int32()
  const status = STATUSES[value.int8()]
  if (status === undefined) throw new SluiceError('LOG_FORMAT', `The transaction "${name}" is in a state that this program does not know.`)
  const partitions = new Map<string, number[]>()
  for (let topics = value.int32(); topics > 0; topics--) {
    const topic = value.text()
    const list: number[] = []
    for (let count = value.int32(); count > 0; count--) list.push(value.int32())
    partitions.set(topic, list)
  }
  return { name, producerId, epoch, timeout, status, partitions, updated: Number(value.int64()), started: Number(value.int64()) }
}
