/** What the calling thread and the thread of the storage say to each other. Batches travel by transfer; the rest is small. */
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import type { OpenTransaction, StorageSettings } from './storage/partition-port.ts'

/** What can be asked of a partition at once, without a wait: the calling thread keeps a copy. */
export interface PartitionState {
  readonly start: bigint
  readonly end: bigint
  readonly appended: bigint
  readonly stable: bigint
  readonly transactions: readonly OpenTransaction[]
  readonly bytes: number
  readonly trouble: string | undefined
  readonly quarantined: readonly { readonly from: bigint; readonly to: bigint }[]
}

export type PartitionCall =
  | { readonly kind: 'open'; readonly folder: string; readonly settings: StorageSettings }
  | { readonly kind: 'append'; readonly batch: Uint8Array }
  | { readonly kind: 'marker'; readonly producerId: bigint; readonly epoch: number; readonly commit: boolean }
  | { readonly kind: 'read'; readonly from: bigint; readonly maxBytes: number; readonly until: bigint }
  | { readonly kind: 'offsetAt'; readonly time: number }
  | { readonly kind: 'deleteBefore'; readonly offset: bigint }
  | { readonly kind: 'clean'; readonly now: number }
  | { readonly kind: 'configure'; readonly settings: StorageSettings }
  | { readonly kind: 'close' }

/** `id` is answered by a message with the same one. */
export interface ToStorage {
  readonly id: number
  readonly partition: number
  readonly call: PartitionCall
}

export type FromStorage =
  /** `state` is the partition's at that moment; absent once it is closed, or where it could not be opened. */
  | { readonly kind: 'done'; readonly id: number; readonly partition: number; readonly value: unknown; readonly state: PartitionState | undefined }
  | { readonly kind: 'failed'; readonly id: number; readonly partition: number; readonly error: Failure; readonly state: PartitionState | undefined }
  | { readonly kind: 'moved'; readonly partition: number; readonly state: PartitionState }
  | { readonly kind: 'warning'; readonly message: string }

/** An error on its way to another thread. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly retry: boolean
  readonly place: string | undefined
}

export function failureOf(error: unknown): Failure {
  if (error instanceof SluiceError) return { code: error.code, message: error.message, retry: error.retry, place: error.place }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error), retry: false, place: undefined }
}

export function errorOf({ code, message, retry, place }: Failure): SluiceError {
  return new SluiceError(code, message, place === undefined ? { retry } : { retry, place })
}
