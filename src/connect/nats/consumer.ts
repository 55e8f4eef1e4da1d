/** The durable consumer that a source reads by: found, or made. */
import type { ConsumerConfig, ConsumerInfo, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { SluiceError } from '../../base/index.ts'
import { natsError } from './errors.ts'

export interface ConsumerWants {
  readonly stream: string
  readonly consumer: string
  readonly subjects: readonly string[]
  readonly start: string
  readonly ack_wait: number
  readonly unacknowledged_max: number
  readonly timeout: number
  readonly domain?: string | undefined
}

type Start = { readonly policy: 'all' | 'new' } | { readonly policy: 'by_start_sequence'; readonly sequence: number } | { readonly policy: 'by_start_time'; readonly time: string }

/** Throws CONFIG_VALUE. */
export function startOf(text: string): Start {
  if (text === 'earliest') return { policy: 'all' }
  if (text === 'latest') return { policy: 'new' }
  if (/^[1-9]\d*$/.test(text)) return { policy: 'by_start_sequence', sequence: Number(text) }
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new SluiceError('CONFIG_VALUE', `"start" is earliest, latest, the number of a message, or a time such as 2026-01-31T12:00:00Z; it is ${JSON.stringify(text)}.`)
  return { policy: 'by_start_time', time: new Date(time).toISOString() }
}

/** Answers how long the server waits for a sign of life, in milliseconds. Throws NATS_... */
export async function ensureConsumer(connection: NatsConnection, server: string, wants: ConsumerWants): Promise<number> {
  const { jetstreamManager } = await import('@nats-io/jetstream')
  const { timeout, domain, stream } = wants
  try {
    const manager = await jetstreamManager(connection, { timeout, checkAPI: false, ...(domain === undefined ? {} : { domain }) })
    const info = (await existing(manager, wants)) ?? (await manager.consumers.add(stream, settings(wants)))
    check(info, server, wants)
    return (info.config.ack_wait ?? 30e9) / 1e6
  } catch (error) {
    const known = natsError(error, server, `the stream "${stream}"`)
    if (known.code === 'NATS_STREAM' && !known.retry) throw new SluiceError('NATS_STREAM', `There is no stream "${stream}" at NATS ${server}. Check "stream", or make it.`, { cause: error, retry: false })
    throw known
  }
}

async function existing(manager: JetStreamManager, { stream, consumer }: ConsumerWants): Promise<ConsumerInfo | undefined> {
  try {
    return await manager.consumers.info(stream, consumer)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 10014) return undefined
    throw error
  }
}

function settings({ consumer, subjects, start, ack_wait: ackWait, unacknowledged_max: most }: ConsumerWants): Partial<ConsumerConfig> {
  const from = startOf(start)
  return {
    durable_name: consumer, ack_policy: 'explicit', deliver_policy: from.policy, ack_wait: ackWait * 1e6, max_ack_pending: most,
    ...(from.policy === 'by_start_sequence' ? { opt_start_seq: from.sequence } : from.policy === 'by_start_time' ? { opt_start_time: from.time } : {}),
    ...(subjects.length === 0 ? {} : subjects.length === 1 ? { filter_subject: subjects[0] ?? '' } : { filter_subjects: [...subjects] }),
  }
}

/** A consumer that somebody else has made may be of another kind. */
function check({ config }: ConsumerInfo, server: string, { stream, consumer, subjects }: ConsumerWants): void {
  const name = `The consumer "${consumer}" of the stream "${stream}" at NATS ${server}`
  const other = (what: string): SluiceError => new SluiceError('NATS_CONSUMER', `${name} ${what} Take another name for "consumer", or delete that one.`, { retry: false })
  if (config.deliver_subject !== undefined) throw other('is a push consumer; this source needs a pull consumer.')
  if (config.ack_policy !== 'explicit') throw other(`has the acknowledgement policy "${config.ack_policy}"; this source needs "explicit".`)
  const has = [...(config.filter_subjects ?? []), ...(config.filter_subject === undefined || config.filter_subject === '' ? [] : [config.filter_subject])]
  if (subjects.length > 0 && has.toSorted().join(' ') !== subjects.toSorted().join(' ')) throw other(`reads ${has.length === 0 ? 'all subjects' : has.join(', ')}, not ${subjects.join(', ')}.`)
}
