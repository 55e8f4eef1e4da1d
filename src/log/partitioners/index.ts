/** Which partition a key belongs to. `murmur2` is Java's and the default; `ring` moves few keys when partitions are added. Pure functions. */
import { SluiceError } from '../../base/index.ts'
import type { Partitioner, ProducerOptions } from '../log.ts'
import { murmur2Partitioner } from './murmur2.ts'
import { ringPartitioner } from './ring.ts'

export { murmur2, murmur2Partitioner } from './murmur2.ts'
export { Ring, VIRTUAL_NODES, ringOf, ringPartitioner } from './ring.ts'
export { StickyPartition } from './sticky.ts'

/** The partitioner that a producer asks for. What a user's own function answers is checked: LOG_UNKNOWN_TOPIC where there is no such partition. */
export function partitionerOf(choice: ProducerOptions['partitioner'] = 'murmur2'): Partitioner {
  if (choice === 'murmur2') return murmur2Partitioner
  if (choice === 'ring') return ringPartitioner
  return (key, partitions, sticky) => {
    const partition = choice(key, partitions, sticky)
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `The partitioner answered ${partition}; there are the partitions 0 to ${partitions - 1}.`)
  }
}
