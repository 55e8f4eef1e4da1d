/** Settings of topics under Kafka's names. */
import { SluiceError } from '../../base/index.ts'
import type { TopicSettings } from '../admin.ts'
import { checkSettings } from '../embedded/topic-settings.ts'

const NUMBERS = {
  retentionMs: 'retention.ms', retentionBytes: 'retention.bytes', segmentBytes: 'segment.bytes', segmentMs: 'segment.ms', maxBatchBytes: 'max.message.bytes',
  deleteRetentionMs: 'delete.retention.ms',
} as const

export interface Config {
  readonly name: string
  readonly value: string
}

/** LOG_SETTING for a value that is not possible, LOG_UNSUPPORTED for a durability: how safe an acknowledgement is depends on the replicas. */
export function configsOf(topic: string, settings: TopicSettings): Config[] {
  checkSettings(topic, settings)
  if (settings.durability !== undefined && settings.durability !== 'os') {
    throw new SluiceError('LOG_UNSUPPORTED', `durability of "${topic}": on Kafka an acknowledgement means that all replicas in step have the record; ask for more replicas instead.`)
  }
  const configs: Config[] = []
  for (const [field, name] of Object.entries(NUMBERS)) {
    const value = settings[field as keyof typeof NUMBERS] // The keys of NUMBERS.
    if (value !== undefined) configs.push({ name, value: String(value) })
  }
  if (settings.cleanup !== undefined) configs.push({ name: 'cleanup.policy', value: settings.cleanup })
  if (settings.timestamps !== undefined) configs.push({ name: 'message.timestamp.type', value: settings.timestamps === 'append' ? 'LogAppendTime' : 'CreateTime' })
  return configs
}

/** The other way round; what the port has no field for is left out. */
export function settingsOf(configs: readonly { readonly name: string; readonly value?: string | null | undefined }[]): TopicSettings {
  const values = new Map(configs.map(({ name, value }) => [name, value ?? undefined]))
  const numbers: { -readonly [K in keyof typeof NUMBERS]?: number } = {}
  for (const [field, name] of Object.entries(NUMBERS)) {
    const value = values.get(name)
    if (value !== undefined) numbers[field as keyof typeof NUMBERS] = Number(value) // The keys of NUMBERS.
  }
  const cleanup = cleanupOf(values.get('cleanup.policy'))
  const timestamps = values.get('message.timestamp.type')
  return {
    ...numbers,
    ...(cleanup === undefined ? {} : { cleanup }),
    ...(timestamps === undefined ? {} : { timestamps: timestamps === 'LogAppendTime' ? ('append' as const) : ('create' as const) }),
  }
}

function cleanupOf(value: string | undefined): TopicSettings['cleanup'] {
  if (value === undefined) return undefined
  const isCompacted = value.includes('compact')
  return isCompacted && value.includes('delete') ? 'compact,delete' : isCompacted ? 'compact' : 'delete'
}
