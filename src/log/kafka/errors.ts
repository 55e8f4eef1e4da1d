/**
 * What brokers and connections say, in the words of the registry.
 *
 * A broker answers with numbers. What they mean for the caller depends little on the call, so one table serves all of them; where a call knows better, it says
 * so itself. The number stays in `brokerCode`, for the steps that depend on it.
 */
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { nameOfEndpoint } from './options.ts'
import type { Endpoint } from './options.ts'

/** The numbers that the adapter looks at by itself. */
export const BROKER = {
  NONE: 0, OFFSET_OUT_OF_RANGE: 1, CORRUPT_MESSAGE: 2, UNKNOWN_TOPIC_OR_PARTITION: 3, LEADER_NOT_AVAILABLE: 5, NOT_LEADER: 6, MESSAGE_TOO_LARGE: 10,
  COORDINATOR_LOAD_IN_PROGRESS: 14, COORDINATOR_NOT_AVAILABLE: 15, NOT_COORDINATOR: 16, INVALID_TOPIC: 17, RECORD_LIST_TOO_LARGE: 18, ILLEGAL_GENERATION: 22,
  UNKNOWN_MEMBER_ID: 25, REBALANCE_IN_PROGRESS: 27, TOPIC_ALREADY_EXISTS: 36, NOT_CONTROLLER: 41, OUT_OF_ORDER_SEQUENCE: 45, DUPLICATE_SEQUENCE: 46, INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48, INVALID_PRODUCER_ID_MAPPING: 49, CONCURRENT_TRANSACTIONS: 51, UNKNOWN_PRODUCER_ID: 59, NON_EMPTY_GROUP: 68, GROUP_ID_NOT_FOUND: 69,
  FENCED_LEADER_EPOCH: 74, UNKNOWN_LEADER_EPOCH: 75, MEMBER_ID_REQUIRED: 79, UNSTABLE_OFFSET_COMMIT: 88, PRODUCER_FENCED: 90, UNKNOWN_TOPIC_ID: 100,
  INCONSISTENT_TOPIC_ID: 103, FENCED_MEMBER_EPOCH: 110, STALE_MEMBER_EPOCH: 113, TRANSACTION_ABORTABLE: 120,
} as const

type Meaning = readonly [code: ErrorCode, words: string, retry?: boolean]

const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [1, ['LOG_OFFSET_OUT_OF_RANGE', 'the partition does not hold that offset']],
  [2, ['LOG_CORRUPT', 'the broker found a record batch damaged']],
  [3, ['LOG_UNKNOWN_TOPIC', 'there is no such topic or partition']],
  [5, ['LOG_BROKER', 'the partition has no leader at the moment']],
  [6, ['LOG_BROKER', 'another broker leads the partition now']],
  [7, ['LOG_BROKER', 'the broker gave up waiting for its replicas or for other brokers']],
  [8, ['LOG_BROKER', 'a broker is not available']],
  [9, ['LOG_BROKER', 'a replica is not available']],
  [10, ['LOG_BATCH_TOO_LARGE', 'the batch is larger than the topic takes (max.message.bytes)']],
  [12, ['LOG_SETTING', 'the metadata of an offset is longer than the broker takes']],
  [13, ['LOG_BROKER', 'a broker was cut off before it answered']],
  [14, ['LOG_BROKER', 'the coordinator is still reading what it needs']],
  [15, ['LOG_BROKER', 'there is no coordinator at the moment']],
  [16, ['LOG_BROKER', 'another broker is the coordinator now']],
  [17, ['LOG_TOPIC_NAME', 'that is no name for a topic here']],
  [18, ['LOG_BATCH_TOO_LARGE', 'the batch is larger than a segment of the topic']],
  [19, ['LOG_BROKER', 'fewer replicas are in step than the topic asks for (min.insync.replicas)']],
  [20, ['LOG_BROKER', 'fewer replicas are in step than the topic asks for (min.insync.replicas)']],
  [22, ['LOG_FENCED', 'the group went on without this member']],
  [23, ['LOG_SETTING', 'the other members of the group share partitions out by another assignor']],
  [24, ['LOG_SETTING', 'that is no name for a group']],
  [25, ['LOG_FENCED', 'the group does not know this member any more']],
  [26, ['LOG_SETTING', 'the broker does not allow that session timeout']],
  [27, ['LOG_GROUP_REBALANCE', 'the group is being shared out anew']],
  [28, ['LOG_SETTING', 'the offsets are more than the broker takes at once']],
  [29, ['LOG_DENIED', 'this user may not do that with the topic']],
  [30, ['LOG_DENIED', 'this user may not do that with the group']],
  [31, ['LOG_DENIED', 'this user may not do that with the cluster']],
  [32, ['LOG_RECORD', 'the timestamp is too far from the broker\'s']],
  [35, ['LOG_UNSUPPORTED', 'the broker does not know that version of the request']],
  [36, ['LOG_TOPIC_EXISTS', 'there is a topic of that name']],
  [37, ['LOG_SETTING', 'that number of partitions is not possible']],
  [38, ['LOG_SETTING', 'that number of replicas is not possible: there are fewer brokers, or it is below 1']],
  [39, ['LOG_SETTING', 'the replicas can\'t be placed like that']],
  [40, ['LOG_SETTING', 'a setting is not possible']],
  [41, ['LOG_BROKER', 'another broker is the controller now']],
  [42, ['LOG_SETTING', 'the broker refused the request as it is']],
  [44, ['LOG_DENIED', 'a policy of the cluster does not allow that']],
  [45, ['LOG_SEQUENCE', 'a batch of this producer is missing before this one']],
  [47, ['LOG_FENCED', 'a newer producer of that name is there, or the transaction was aborted by its timeout']],
  [48, ['LOG_TRANSACTION_STATE', 'the transaction is in another state']],
  [49, ['LOG_FENCED', 'the producer is not the one that has the name now']],
  [50, ['LOG_SETTING', 'the broker does not allow that long a transaction (transaction.max.timeout.ms)']],
  [51, ['LOG_BROKER', 'the transaction before this one is still being ended']],
  [52, ['LOG_BROKER', 'another broker coordinates the transaction now']],
  [53, ['LOG_DENIED', 'this user may not use that transactionalId']],
  [56, ['LOG_BROKER', 'the disk of a broker failed']],
  [59, ['LOG_SEQUENCE', 'the broker forgot this producer']],
  [60, ['LOG_BROKER', 'the partitions are being moved']],
  [68, ['LOG_GROUP_BUSY', 'the group has members']],
  [69, ['LOG_SETTING', 'there is no such group']],
  [74, ['LOG_BROKER', 'another broker leads the partition now']],
  [75, ['LOG_BROKER', 'the broker does not yet know the leader of the partition']],
  [76, ['LOG_UNSUPPORTED', 'the broker does not know that compression']],
  [78, ['LOG_BROKER', 'the new leader does not know the end of the partition yet']],
  [81, ['LOG_SETTING', 'the group has as many members as the broker allows (group.max.size)']],
  [82, ['LOG_FENCED', 'another member has the same instance id']],
  [87, ['LOG_RECORD', 'the broker refused a record, e.g. one without a key in a compacted topic']],
  [88, ['LOG_BROKER', 'a transaction may still change the offsets']],
  [89, ['LOG_BROKER', 'the quota for such requests is used up']],
  [90, ['LOG_FENCED', 'a newer producer of that name is there']],
  [100, ['LOG_BROKER', 'the broker does not know the topic, it may be new or have been made anew']],
  [103, ['LOG_BROKER', 'the topic was made anew']],
  [110, ['LOG_FENCED', 'the group went on without this member']],
  [111, ['LOG_FENCED', 'another member has the same instance id']],
  [112, ['LOG_SETTING', 'the broker does not know that way of sharing partitions out']],
  [113, ['LOG_GROUP_REBALANCE', 'the group went on, and the member has not yet heard of it']],
  [120, ['LOG_TRANSACTION_STATE', 'the transaction can only be aborted']],
])

/** An error that a broker told. */
export class KafkaError extends SluiceError {
  readonly brokerCode: number

  constructor(brokerCode: number, code: ErrorCode, message: string, retry?: boolean) {
    super(code, message, retry === undefined ? {} : { retry })
    this.brokerCode = brokerCode
  }
}

/** The error for a broker's number. `what` is what was asked, as a sentence's beginning; `more` is what the broker adds in words. */
export function brokerError(brokerCode: number, what: string, more?: string | null): KafkaError {
  const [code, words, retry] = MEANINGS.get(brokerCode) ?? ['LOG_BROKER', 'the broker answered with an error', false]
  const detail = more == null || more === '' ? '' : ` "${more}"`
  return new KafkaError(brokerCode, code, `${what}: ${words} (Kafka error ${brokerCode}).${detail}`, retry)
}

/** Throws unless the number is 0. */
export function check(brokerCode: number, what: string, more?: string | null): void {
  if (brokerCode !== BROKER.NONE) throw brokerError(brokerCode, what, more)
}

export const brokerCodeOf = (error: unknown): number | undefined => (error instanceof KafkaError ? error.brokerCode : undefined)

/** True where another attempt may help, maybe at another broker. */
export const mayRetry = (error: unknown): boolean => error instanceof SluiceError && error.retry && error.code !== 'ABORTED' && error.code !== 'TIMED_OUT'

export interface Said {
  readonly code: string
  readonly message: string
  /** A broker's own words. */
  readonly detail: string
  /** Of a certificate that does not fit: what it is for. */
  readonly names: string
}

/** Everything that an error of the client says, with its causes, outermost first. */
export function saidBy(error: unknown, depth = 0): Said[] {
  if (!(error instanceof Error) || depth > 8) return []
  const fields = error as Error & { readonly code?: unknown; readonly apiId?: unknown; readonly serverErrorMessage?: unknown; readonly errors?: unknown; readonly cert?: { readonly subjectaltname?: unknown } } // Read with care below.
  const code = [fields.code, fields.apiId].filter(part => typeof part === 'string').join(' ')
  const detail = typeof fields.serverErrorMessage === 'string' ? fields.serverErrorMessage : ''
  const inner = Array.isArray(fields.errors) ? fields.errors : []
  const altnames = fields.cert?.subjectaltname
  const names = typeof altnames === 'string' ? altnames.replaceAll(/\b(?:DNS|IP Address):/g, '') : ''
  return [{ code, message: error.message, detail, names }, ...inner.flatMap((each: unknown) => saidBy(each, depth + 1)), ...saidBy(error.cause, depth + 1)]
}

export interface Way {
  readonly endpoint: Endpoint
  readonly encrypted: boolean
  /** True where this client shows a certificate. */
  readonly hasCertificate: boolean
  readonly serverName: string
  readonly mechanism: string | undefined
  readonly user: string | undefined
}

const UNTRUSTED = /SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE/
const NO_TLS_THERE = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|TLS handshake failed|before secure TLS connection was established/
const CLIENT_CERTIFICATE = /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA|HANDSHAKE_FAILURE|CERTIFICATE_EXPIRED)/i

/** Why a connection could not be made or was lost. */
export function connectError(error: unknown, way: Way): SluiceError {
  if (error instanceof SluiceError) return error
  const said = saidBy(error)
  const text = said.map(({ code, message }) => `${code} ${message}`).join('\n')
  const place = nameOfEndpoint(way.endpoint)
  const make = (code: ErrorCode, message: string): SluiceError => new SluiceError(code, message, { cause: error, place })
  return loginError(said, text, place, way, make) ?? tlsError(said, text, place, way, make) ?? make('LOG_CONNECT', `${place}: ${reasonOf(said, text, way)}.`)
}

/** The time for making a connection was over. */
export function lateError(error: unknown, { endpoint }: Way): SluiceError {
  const place = nameOfEndpoint(endpoint)
  return new SluiceError('LOG_CONNECT', `${place}: there was no answer in time.`, { cause: error, place })
}

type Make = (code: ErrorCode, message: string) => SluiceError

function loginError(said: readonly Said[], text: string, place: string, { mechanism, user }: Way, make: Make): SluiceError | undefined {
  const detail = said.find(each => each.detail !== '')?.detail
  if (/UNSUPPORTED_SASL_MECHANISM/.test(text)) return make('LOG_AUTH', `${place} does not take the login mechanism ${mechanism}${detail === undefined ? '' : ` ("${detail}")`}.`)
  if (/SASL_AUTHENTICATION_FAILED|PLT_KFK_AUTHENTICATION|ILLEGAL_SASL_STATE/.test(text)) {
    const reason = detail ?? said.findLast(({ code }) => code.includes('AUTHENTICATION'))?.message ?? 'no reason was given'
    return make('LOG_AUTH', `${place} refused the login${user === undefined ? '' : ` of "${user}"`} by ${mechanism}: ${reason.replace(/\.$/, '')}.`)
  }
  return undefined
}

function tlsError(said: readonly Said[], text: string, place: string, { serverName, encrypted }: Way, make: Make): SluiceError | undefined {
  if (/Broker requires TLS/.test(text)) return make('LOG_TLS', `${place} speaks TLS, and the connection was begun without: switch \`tls\` on, or use its plain port.`)
  if (!encrypted) return undefined
  if (/ERR_TLS_CERT_ALTNAME_INVALID/.test(text)) {
    const names = said.find(({ names: own }) => own !== '')?.names
    return make('LOG_TLS', `The certificate of ${place} is for ${names ?? 'other names'}, not for "${serverName}": connect by one of its names, or give one of them as the server name of \`tls\`.`)
  }
  if (UNTRUSTED.test(text)) return make('LOG_TLS', `The certificate of ${place} is not signed by an authority that is trusted here: give the certificate of the one that signed it as \`ca\`.`)
  if (/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/.test(text)) return make('LOG_TLS', `The certificate of ${place} is out of its time: renew it, or set the clock.`)
  if (CLIENT_CERTIFICATE.test(text)) return make('LOG_TLS', `${place} did not take the certificate of this client, or asks for one: give \`cert\` and \`key\` that it trusts.`)
  if (NO_TLS_THERE.test(text)) return make('LOG_TLS', `${place} does not speak TLS, or refused it: use its encrypted port, or switch \`tls\` off.`)
  if (/ERR_SSL|ERR_OSSL|ERR_TLS/.test(text)) return make('LOG_TLS', `${place}: the encrypted connection failed: ${said.at(-1)?.message ?? 'no reason was given'}.`)
  return undefined
}

function reasonOf(said: readonly Said[], text: string, { encrypted, hasCertificate }: Way): string {
  if (/ECONNREFUSED/.test(text)) return 'nothing listens there'
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return 'there is no host of that name'
  if (/EHOSTUNREACH|ENETUNREACH/.test(text)) return 'there is no way to that host'
  if (/ETIMEDOUT|timed out/i.test(text)) return 'there was no answer in time'
  if (/ECONNRESET|EPIPE|Connection closed/.test(text)) return encrypted && !hasCertificate ? 'the connection was closed by the other side, as brokers do that ask for the certificate of a client: if this is one, give `cert` and `key`' : 'the connection was closed by the other side'
  return said.at(-1)?.message.replace(/\.$/, '') ?? 'the connection failed'
}
