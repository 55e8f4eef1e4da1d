/** The main program of the thread that the storage of a log may have: opens partitions, and does with them what it is told. */
import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { systemClock, systemFiles } from '../../platform/index.ts'
import { failureOf } from './storage-messages.ts'
import type { FromStorage, PartitionCall, PartitionState, ToStorage } from './storage-messages.ts'
import { openPartition } from './storage/index.ts'
import type { PartitionStorage } from './storage/partition-port.ts'

const partitions = new Map<number, PartitionStorage>()

function stateOf({ start, end, appended, stable, transactions, bytes, trouble, quarantined }: PartitionStorage): PartitionState {
  return { start, end, appended, stable, transactions, bytes, trouble, quarantined }
}

function serve(port: MessagePort): void {
  const send = (message: FromStorage): void => {
    const bytes = message.kind === 'done' && typeof message.value === 'object' && message.value !== null && 'bytes' in message.value ? message.value.bytes : undefined
    port.postMessage(message, bytes instanceof Uint8Array && bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [])
  }
  const ground = { files: systemFiles, clock: systemClock, warn: (message: string) => send({ kind: 'warning', message }) }

  const call = async (partition: number, asked: PartitionCall): Promise<unknown> => {
    if (asked.kind === 'open') {
      const storage = await openPartition(asked.folder, asked.settings, ground)
      partitions.set(partition, storage)
      watch(partition, storage)
      return undefined
    }
    const storage = partitions.get(partition)
    if (storage === undefined) throw new Error(`there is no partition ${partition} here`)
    switch (asked.kind) {
      case 'append':
        return storage.append(asked.batch)
      case 'marker':
        return storage.appendMarker(asked.producerId, asked.epoch, asked.commit)
      case 'read':
        return storage.read(asked.from, asked.maxBytes, asked.until)
      case 'offsetAt':
        return storage.offsetAt(asked.time)
      case 'deleteBefore':
        return storage.deleteBefore(asked.offset)
      case 'clean':
        return storage.clean(asked.now)
      case 'configure':
        return storage.configure(asked.settings)
      case 'close':
        // What comes later is told by the storage itself that it is closed.
        return storage.close()
    }
  }

  /** The end moves without a call where a topic is made durable by a timer. */
  const watch = (partition: number, storage: PartitionStorage): void => {
    storage.onEnd(storage.end, () => {
      send({ kind: 'moved', partition, state: stateOf(storage) })
      watch(partition, storage)
    })
  }

  const state = (partition: number): PartitionState | undefined => {
    const storage = partitions.get(partition)
    return storage === undefined ? undefined : stateOf(storage)
  }
  port.on('message', ({ id, partition, call: asked }: ToStorage) => {
    call(partition, asked).then(
      value => send({ kind: 'done', id, partition, value, state: state(partition) }),
      (error: unknown) => send({ kind: 'failed', id, partition, error: failureOf(error), state: state(partition) }),
    )
  })
}

if (parentPort !== null) serve(parentPort)
