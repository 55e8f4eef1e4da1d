/** Opens a log by its place: a folder, or an address of Apache Kafka. Either adapter is loaded only when it is used. */
import { SluiceError } from '../base/index.ts'
import type { Durability, Log } from './log.ts'

export interface OpenOptions {
  /** What a person should know: a torn tail that was cut, a partition that stopped. */
  readonly warn: (message: string) => void
  /** Embedded only; default `fsync`. */
  readonly durability?: Durability | undefined
}

/** Throws LOG_LOCKED, LOG_FORMAT, LOG_CONNECT, ... where it can't be opened. */
export async function openLog(place: string, { warn, durability }: OpenOptions): Promise<Log> {
  if (place.startsWith('kafka://')) throw new SluiceError('LOG_UNSUPPORTED', `${place}: this version has no adapter for Apache Kafka yet.`)
  const [embedded, { openPartition }] = await Promise.all([import('./embedded/index.ts'), import('./embedded/storage/index.ts')])
  return embedded.openLog(place, { warn, durability, storage: openPartition })
}
