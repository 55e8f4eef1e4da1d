/** What a sink's `notify` asks for. */
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ComponentContext, ValueOf } from '../../engine/index.ts'
import { LOG_FIELDS } from '../log/fields.ts'
import { Notifier } from './notifier.ts'
import { TopicTarget } from './topic.ts'
import { WebhookTarget } from './webhook.ts'

const FIELDS = field.object(
  {
    topic: field.optional(field.string({ minLength: 1, description: 'Topic that gets a record for each object' })),
    ...LOG_FIELDS,
    log: field.optional(field.string({ description: 'Log of the topic: a folder, or kafka://host:port[,host:port]' })),
    url: field.optional(field.string({ description: 'Address that gets a request for each object, signed as Standard Webhooks says' })),
    secret: field.optional(field.secret({ description: 'What requests are signed with: whsec_ and 24 to 64 bytes in base64' })),
    old_secret: field.optional(field.secret({ description: 'A second secret to sign with while receivers change from one to the other' })),
    headers: field.record(field.string(), { default: {}, description: 'Further headers of the requests' }),
    timeout: field.duration({ default: '10s', description: 'Longest wait for an answer' }),
    deadline: field.duration({ default: '10m', description: 'The run fails where a message can\'t be told for so long; with a `state` the next one tells it' }),
    pending: field.integer({ default: 1000, minimum: 1, maximum: 100_000, description: 'Messages that may wait to be told; beyond that the sink waits' }),
  },
  { description: 'Tell of each object once readers can see it: in order, at least once, to a topic or to a webhook' },
)
/** Where logs are by default. */
const FOLDER = String(LOG_FIELDS.log.default)
export const NOTIFY = field.optional(FIELDS)
type Config = ValueOf<typeof FIELDS>

/** Who tells; undefined where nobody shall. Throws CONFIG_VALUE for what does not go together. */
export function notifierOf(config: Config | undefined, bucket: string, prefix: string, context: ComponentContext): Notifier | undefined {
  if (config === undefined) return undefined
  const { topic, log, sasl, tls, url, secret, old_secret: oldSecret, headers, timeout } = config
  if ((topic === undefined) === (url === undefined)) throw new SluiceError('CONFIG_VALUE', 'notify: give "topic", with the "log" that it is in, or "url", and not both.')
  const target = topic === undefined
    ? new WebhookTarget({ url: url ?? '', secret, oldSecret, headers, timeout, isForTopic: log !== undefined || sasl !== undefined || tls !== undefined }, context)
    // Records of one key stand in one partition, and so in order.
    : new TopicTarget({ ...config, log: log ?? FOLDER }, topic, `${bucket}/${prefix}`, timeout, context)
  return new Notifier(target, bucket, config, context)
}
