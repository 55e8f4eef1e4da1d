/** MurmurHash2 with 32 bits and Kafka's seed: what Java's producer, Kafka Streams and Connect choose partitions by. After Austin Appleby's public domain code. */
import type { Partitioner } from '../log.ts'

const SEED = 0x9747_b28c | 0
const FACTOR = 0x5bd1_e995

/** The hash, a signed number of 32 bits as in Java. */
export function murmur2(key: Uint8Array): number {
  const length = key.length
  let hash = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word = (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24)
    word = Math.imul(word, FACTOR)
    word = Math.imul(word ^ (word >>> 24), FACTOR)
    hash = Math.imul(hash, FACTOR) ^ word
  }
  if (at < length) {
    // The rest of one to three bytes, as the low end of a word.
    let rest = 0
    for (let index = length - 1; index >= at; index--) rest = (rest << 8) | (key[index] ?? 0)
    hash = Math.imul(hash ^ rest, FACTOR)
  }
  hash = Math.imul(hash ^ (hash >>> 13), FACTOR)
  return hash ^ (hash >>> 15)
}

/** Java's partition of a key: the hash without its sign bit, modulo the partitions. Records without a key go where the producer fills at present. */
export const murmur2Partitioner: Partitioner = (key, partitions, sticky) => (key === null ? sticky : (murmur2(key) & 0x7fff_ffff) % partitions)
