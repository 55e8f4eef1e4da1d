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
export async function openLog(place: string, options: OpenOptions): Promise<Log> {
  void options
  return Promise.reject(new SluiceError('LOG_UNSUPPORTED', `No adapter for ${place} is part of this version yet.`))
}
