/** Names and settings of topics: what is allowed, what holds where nothing is said. */
import { SluiceError } from '../../base/index.ts'
import type { TopicSettings } from '../admin.ts'
import type { Durability } from '../log.ts'
import type { StorageSettings } from './storage/partition-port.ts'

const DAY = 24 * 60 * 60 * 1000
export const PARTITIONS_MAX = 10_000
/** Topics that the log keeps for itself. */
export const OFFSETS_TOPIC = '__consumer_offsets'
export const TRANSACTIONS_TOPIC = '__transaction_state'
const INTERNAL = new Set([OFFSETS_TOPIC, TRANSACTIONS_TOPIC])

export const isInternal = (topic: string): boolean => INTERNAL.has(topic)

/** Throws LOG_TOPIC_NAME for what can't be the name of a topic of a user. */
export function checkTopicName(name: string): void {
  const wrong = name === '' || name === '.' || name === '..' || name.length > 249 || /[^a-zA-Z0-9._-]/.test(name)
  if (wrong) throw new SluiceError('LOG_TOPIC_NAME', `"${name.slice(0, 260)}" is no name for a topic: 1 to 249 letters, digits, dots, dashes and underscores, not "." or "..".`)
  if (isInternal(name)) throw new SluiceError('LOG_TOPIC_NAME', `"${name}" is a name that the log keeps for itself.`)
}

/** Throws LOG_TOPIC_NAME for a topic that only the log itself may write or change. */
export function checkNotInternal(name: string): void {
  if (isInternal(name)) throw new SluiceError('LOG_TOPIC_NAME', `"${name}" is a topic of the log itself: it can be read, not written or changed.`)
}

export function checkPartitions(topic: string, partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= PARTITIONS_MAX) return
  throw new SluiceError('LOG_SETTING', `${partitions} partitions of "${topic}": a topic has 1 to ${PARTITIONS_MAX}.`)
}

/** Least and greatest value of each number; `forever` allows -1. */
const NUMBERS: Readonly<Record<string, { readonly least: number; readonly most: number; readonly forever?: true }>> = {
  retentionMs: { least: 0, most: Number.MAX_SAFE_INTEGER, forever: true },
  retentionBytes: { least: 0, most: Number.MAX_SAFE_INTEGER, forever: true },
  segmentBytes: { least: 1024, most: 2 ** 31 - 1 },
  segmentMs: { least: 1, most: Number.MAX_SAFE_INTEGER },
  maxBatchBytes: { least: 128, most: 128 * 2 ** 20 },
  deleteRetentionMs: { least: 0, most: Number.MAX_SAFE_INTEGER },
}

/** Throws LOG_SETTING for a value that is not possible. */
export function checkSettings(topic: string, settings: TopicSettings): void {
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new SluiceError('LOG_SETTING', `${name}: ${JSON.stringify(value)} of "${topic}" is not possible: ${wanted}.`)
  }
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue
    const range = NUMBERS[name]
    if (range !== undefined) {
      const inside = Number.isSafeInteger(value) && value >= range.least && value <= range.most
      if (!inside && !(range.forever && value === -1)) refuse(name, value, `a whole number from ${range.least} to ${range.most}${range.forever ? ', or -1' : ''}`)
    } else if (name === 'cleanup') {
      if (!['delete', 'compact', 'compact,delete'].includes(value)) refuse(name, value, 'delete, compact or compact,delete')
    } else if (name === 'timestamps') {
      if (value !== 'create' && value !== 'append') refuse(name, value, 'create or append')
    } else if (name === 'durability') checkDurability(settings.durability ?? 'fsync', topic)
    else refuse(name, value, 'there is no such setting')
  }
}

export function checkDurability(durability: Durability, of: string): void {
  if (durability === 'fsync' || durability === 'os') return
  if (typeof durability === 'object' && Number.isSafeInteger(durability.interval) && durability.interval >= 1 && durability.interval <= 60 * 60 * 1000) return
  throw new SluiceError('LOG_SETTING', `durability ${JSON.stringify(durability)} of "${of}": fsync, os, or { interval: MILLISECONDS } of at most an hour.`)
}

/** All settings of a topic, from what was said and the log's default durability. */
export function storageSettings(settings: TopicSettings, durability: Durability): StorageSettings {
  return {
    durability: settings.durability ?? durability,
    retentionMs: settings.retentionMs ?? 7 * DAY,
    retentionBytes: settings.retentionBytes ?? -1,
    cleanup: settings.cleanup ?? 'delete',
    segmentBytes: settings.segmentBytes ?? 2 ** 30,
    segmentMs: settings.segmentMs ?? 7 * DAY,
    maxBatchBytes: settings.maxBatchBytes ?? 2 ** 20 + 12,
    deleteRetentionMs: settings.deleteRetentionMs ?? DAY,
    timestamps: settings.timestamps ?? 'create',
  }
}

/** The settings after a change: what the change leaves open stays. */
export function changedSettings(before: TopicSettings, change: TopicSettings): TopicSettings {
  return { ...before, ...Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) }
}

/** What an acknowledgement means, for people. */
export function durabilityText(durability: Durability): string {
  if (durability === 'fsync') return 'on disk when acknowledged (fdatasync)'
  if (durability === 'os') return 'with the operating system when acknowledged: a power cut may lose records'
  return `on disk within ${durability.interval} ms of being acknowledged: a power cut may lose that much`
}
