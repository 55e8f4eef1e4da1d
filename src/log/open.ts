/** Opens a log by its place: a folder, or an address of Apache Kafka. Either adapter is loaded only when it is used. */
import type { KafkaOptions } from './kafka/options.ts'
import type { Durability, Log } from './log.ts'

/** How to get into a cluster: encryption and login. */
export type KafkaAccess = Pick<KafkaOptions, 'tls' | 'login' | 'clientId' | 'groupProtocol'>

export interface OpenOptions {
  /** What a person should know: a torn tail that was cut, a partition that stopped. Default: nobody is told. */
  readonly warn?: ((message: string) => void) | undefined
  /** Embedded only; default `fsync`. */
  readonly durability?: Durability | undefined
  /** Kafka only. */
  readonly kafka?: KafkaAccess | undefined
  /** Embedded only: the storage gets a thread of its own, and costs the calling one nothing but messages. */
  readonly thread?: boolean | undefined
}

/** Throws LOG_LOCKED, LOG_FORMAT, LOG_CONNECT, ... where it can't be opened. */
export async function openLog(place: string, { warn = () => undefined, durability, thread, kafka }: OpenOptions = {}): Promise<Log> {
  if (place.startsWith('kafka://')) {
    const { connectKafka } = await import('./kafka/index.ts')
    return connectKafka(place, { warn, ...kafka })
  }
  const { openLog: openFolder } = await import('./embedded/index.ts')
  return openFolder(place, { warn, durability, thread })
}
