/**
 * Whether what a component connects to is there: for components whose own `open` does more than that. Nothing is read, written, created or taken over here.
 *
 * Each probe makes connections of its own and closes them. Throws what `open` would throw.
 */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SluiceError, suggest } from '../base/index.ts'
import type { ComponentContext } from '../engine/index.ts'
import { addressOf as amqpAddressOf, connectToRead } from './amqp/connection.ts'
import type { AmqpFields } from './amqp/connection.ts'
import { amqpError } from './amqp/errors.ts'
import type { LogFields } from './log/fields.ts'
import { placeOf, useLog } from './log/open-logs.ts'
import { addressOf, connectMqtt } from './mqtt/connection.ts'
import type { MqttFields } from './mqtt/connection.ts'
import { NatsLink } from './nats/connection.ts'
import type { NatsFields } from './nats/connection.ts'
import { natsError } from './nats/errors.ts'
import { RedisConnection } from './redis/connection.ts'
import type { RedisFields } from './redis/connection.ts'

/** Without joining a group, which would set other members to work. A log in a folder is only looked for: opening it could take it from its owner. */
export async function probeTopics(config: LogFields, topics: readonly string[] | RegExp, context: ComponentContext): Promise<void> {
  const place = placeOf(config, context.folder)
  if (!config.log.startsWith('kafka://')) {
    if (!(await isThere(place))) throw new SluiceError('LOG_UNKNOWN_TOPIC', `There is no log in the folder ${place}.`)
    return
  }
  const use = await useLog(place, message => context.warn(message))
  try {
    const known = await use.log.admin.listTopics()
    // Topics that match a pattern may come later.
    const missing = topics instanceof RegExp ? undefined : topics.find(topic => !known.includes(topic))
    if (missing === undefined) return
    const meant = suggest(missing, known)
    throw new SluiceError('LOG_UNKNOWN_TOPIC', `There is no topic "${missing}" in ${config.log}${meant === undefined ? '.' : `; did you mean "${meant}"?`} Check "topic", make it with \`sluice topic create\`, or ask for the right to describe it.`)
  } finally {
    await use.release()
  }
}

/** Asks how long the streams are: one that is not there has no entries, and what is no stream says so. */
export async function probeRedis(config: RedisFields, streams: readonly string[]): Promise<void> {
  const connection = new RedisConnection(config)
  try {
    await connection.call('PING')
    for (const stream of streams) await connection.call('XLEN', stream).catch(unlessCommand)
  } finally {
    connection.close()
  }
}

/** Who may add to a stream, or read it as a group, need not be allowed to ask for its length; a key that is forbidden is forbidden to all commands. */
function unlessCommand(error: unknown): void {
  if (!(error instanceof SluiceError && error.code === 'REDIS_DENIED' && /to run the/.test(error.message))) throw error
}

/** By a name of its own: a broker cuts off who has the same. */
export async function probeMqtt(config: MqttFields, context: ComponentContext): Promise<void> {
  const clientId = `sluice-probe-${Math.floor(context.random() * 2 ** 40).toString(36)}`
  const connection = await connectMqtt(config, addressOf(config), { clientId, kept: 0 })
  await connection.close()
}

export async function probeStream(config: NatsFields & { readonly stream: string; readonly domain?: string | undefined }, context: ComponentContext): Promise<void> {
  const link = new NatsLink(config, `sluice probe ${context.id}`)
  const { stream, timeout, domain } = config
  try {
    const { jetstreamManager } = await import('@nats-io/jetstream')
    const manager = await jetstreamManager(await link.connected(), { timeout, ...(domain === undefined ? {} : { domain }) })
    await manager.streams.info(stream)
  } catch (error) {
    throw error instanceof SluiceError ? error : natsError(error, link.server, `the stream ${stream}`)
  } finally {
    await link.close()
  }
}

/** A file may be written where its folder may, or the nearest one above that is there: missing folders are made. */
export async function probeTarget(path: string, isFolder: boolean): Promise<void> {
  let at = path
  let folder = isFolder
  while (!(await isThere(at)) && dirname(at) !== at) {
    at = dirname(at)
    folder = true
  }
  if (folder && !(await stat(at)).isDirectory()) throw new SluiceError('FILE_WRITE', `${path} can't be written: ${at} is no folder.`)
  await access(at, constants.W_OK).catch((error: unknown) => {
    throw new SluiceError('FILE_WRITE', `${path} can't be written: there is no right to write ${at === path ? 'it' : at}.`, { cause: error })
  })
}

/** A queue that `create` would make need not be there. */
export async function probeQueue(config: AmqpFields & { readonly queue: string; readonly create?: string | undefined }, context: ComponentContext): Promise<void> {
  const address = amqpAddressOf(config)
  const connection = await connectToRead(config, address, { name: `sluice probe ${context.id}`, warn: message => context.warn(message) })
  try {
    if (config.create === undefined) await connection.channel.checkQueue(config.queue)
  } catch (error) {
    const known = amqpError(error, address.server, `looking for "${config.queue}"`)
    throw known.code === 'AMQP_MISSING' ? new SluiceError('AMQP_MISSING', `There is no queue "${config.queue}" at the AMQP broker ${address.server}. Check "queue", or let "create" make it.`, { cause: error }) : known
  } finally {
    await connection.close()
  }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}
