/** Opens a log by its place: a folder, or an address of Apache Kafka. Either adapter is loaded only when it is used. */
import type { Durability, Log } from './log.ts'

export interface OpenOptions {
  /** What a person should know: a torn tail that was cut, a partition that stopped. */
  readonly warn: (message: string) => void
  /** Embedded only; default `fsync`. */
  readonly durability?: Durability | undefined
}

/** Throws LOG_LOCKED, LOG_FORMAT, LOG_CONNECT, ... where it can't be opened. */
export async function openLog(place: string, { warn, durability }: OpenOptions): Promise<Log> {
  if (place.startsWith('kafka://')) {
    const { connectKafka } = await import('./kafka/index.ts')
    return connectKafka(place, { warn })
  }
  const { openLog: openFolder } = await import('./embedded/index.ts')
  return openFolder(place, { warn, durability })
}
