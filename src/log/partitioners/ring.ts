/**
 * Consistent hashing with virtual nodes, version ring-v1. Format: docs/formats/ring.md.
 *
 * Each partition has 128 points on a circle of 2^32 places; a key belongs to the partition of the first point at or behind its hash. A partition more takes its
 * share from all others and moves nothing else: from n to n + 1 partitions about 1 key of n + 1 moves, where `hash % n` moves nearly all.
 *
 * Cost: a binary search per key. Memory: 8 bytes per point, one ring per number of partitions; the last eight rings are kept.
 */
import { SluiceError } from '../../base/index.ts'
import type { Partitioner } from '../log.ts'
import { murmur2 } from './murmur2.ts'

/** Part of the version: another number would be another ring. */
export const VIRTUAL_NODES = 128
/** 12.8 million points, 100 MB: beyond what any topic has. */
const PARTITIONS_MAX = 100_000
const RINGS_MAX = 8

export class Ring {
  readonly partitions: number
  /** Places of the points, growing. */
  readonly #points: Uint32Array
  /** Partition of each point. */
  readonly #owners: Uint32Array

  constructor(partitions: number) {
    if (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
      throw new SluiceError('LOG_SETTING', `A ring takes 1 to ${PARTITIONS_MAX} partitions, not ${partitions}.`)
    }
    this.partitions = partitions
    const sorted = sortedPoints(partitions)
    this.#points = Uint32Array.from(sorted, point => Math.floor(point / PARTITIONS_MAX))
    this.#owners = Uint32Array.from(sorted, point => point % PARTITIONS_MAX)
  }

  /** The partition of a key. */
  partitionOf(key: Uint8Array): number {
    const place = murmur2(key) >>> 0
    const points = this.#points
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((points[middle] ?? 0) < place) low = middle + 1
      else high = middle
    }
    return this.#owners[low === points.length ? 0 : low] ?? 0
  }
}

/** All points as place * PARTITIONS_MAX + partition: sorted as numbers, points at one place stand in the order of their partitions. */
function sortedPoints(partitions: number): Float64Array {
  const points = new Float64Array(partitions * VIRTUAL_NODES)
  const name = new Uint8Array(8)
  const view = new DataView(name.buffer)
  for (let partition = 0, at = 0; partition < partitions; partition++) {
    view.setUint32(0, partition)
    for (let node = 0; node < VIRTUAL_NODES; node++) {
      view.setUint32(4, node)
      points[at++] = (murmur2(name) >>> 0) * PARTITIONS_MAX + partition
    }
  }
  return points.sort()
}

const rings = new Map<number, Ring>()

/** The ring of so many partitions, made at its first use. */
export function ringOf(partitions: number): Ring {
  let ring = rings.get(partitions)
  if (ring === undefined) {
    ring = new Ring(partitions)
    const oldest = rings.keys().next()
    if (rings.size >= RINGS_MAX && oldest.done !== true) rings.delete(oldest.value)
    rings.set(partitions, ring)
  }
  return ring
}

/** Records without a key go where the producer fills at present. */
export const ringPartitioner: Partitioner = (key, partitions, sticky) => (key === null ? sticky : ringOf(partitions).partitionOf(key))
