/** What an MQTT broker and the way to it say, in plain words. No message holds a password: addresses are shown without the login. */
import { SluiceError } from '../../base/index.ts'
import { WAYS, isTlsCode, tlsCures, tlsWords } from '../network.ts'

const NETWORK: Readonly<Record<string, string>> = { ...WAYS, ENOTFOUND: `${WAYS['ENOTFOUND']} Check "url".` }

/** Reason codes of MQTT 5, and the return codes of MQTT 3.1.1 for the login (1 to 5). */
const LOGIN_REFUSED: ReadonlySet<number> = new Set([4, 5, 134, 135, 138, 140])
const BUSY: ReadonlySet<number> = new Set([3, 136, 137, 139, 141, 147, 149, 150, 151, 159])

/** "Unspecified error" and "Implementation specific error". */
const UNTOLD: ReadonlySet<number> = new Set([128, 131])

/** The broker ended the connection, with a reason of MQTT 5. */
export class Ended extends Error {
  readonly code: number

  constructor(code: number) {
    super('the broker ended the connection')
    this.code = code
  }
}

/** An error of the client, or a reason that the broker gave. What is wrong for all messages, such as the login, ends the run: they are not given up one by one. `server` is its address without the login. */
export function mqttError(error: unknown, server: string, doing: string): SluiceError {
  if (error instanceof SluiceError) return error
  const reason = error instanceof Error ? error : new Error(String(error))
  const code = 'code' in reason ? reason.code : undefined
  if (typeof code === 'number') return fromReason(code, reason, server, doing)
  if (isTlsCode(code)) return new SluiceError('MQTT_TLS', `The encrypted connection to the MQTT broker at ${server} could not be made: ${tlsWords(reason, tlsCures('mqtt:// instead of mqtts://'))}`, { cause: error, stops: true })
  const why = (typeof code === 'string' ? NETWORK[code] : undefined) ?? (/timeout/i.test(reason.message) ? 'it did not answer in time.' : 'the connection was cut.')
  return new SluiceError('MQTT_CONNECT', `The MQTT broker at ${server} could not be reached for ${doing}: ${why}`, { cause: error })
}

function fromReason(code: number, reason: Error, server: string, doing: string): SluiceError {
  const isLogin = doing === 'the login'
  if (isLogin && LOGIN_REFUSED.has(code)) return new SluiceError('MQTT_AUTH', `The MQTT broker at ${server} refused the login: the user or the password is wrong, or none was given. Check "username" and "password".`, { cause: reason, stops: true })
  if (isLogin && (code === 2 || code === 133)) return new SluiceError('MQTT_REPLY', `The MQTT broker at ${server} refused the client id. Take another "client_id".`, { cause: reason })
  if (isLogin && (code === 1 || code === 132)) return new SluiceError('MQTT_REPLY', `The MQTT broker at ${server} does not speak this version of MQTT. Try "version: '3.1.1'".`, { cause: reason })
  // It says nothing of what was sent. Mosquitto does so where its memory is used up ("memory_limit").
  if (reason instanceof Ended && UNTOLD.has(code)) return new SluiceError('MQTT_REPLY', `The MQTT broker at ${server} ended the connection and did not say why (${code}): its memory may be used up. Its log may tell.`, { cause: reason, retry: true })
  if (code === 135 || code === 5 || code === 128) return new SluiceError('MQTT_DENIED', `The MQTT broker at ${server} does not allow ${doing} to this user. Give it the permission at the broker (ACL).`, { cause: reason })
  if (code === 142) return new SluiceError('MQTT_TAKEN', `The MQTT broker at ${server} ended the connection: another client came with the same id. Give each pipeline a "client_id" of its own.`, { cause: reason })
  if (code === 143 || code === 144) return new SluiceError('MQTT_TOPIC', `The MQTT broker at ${server} refuses the topic of ${doing}.`, { cause: reason })
  return new SluiceError('MQTT_REPLY', `The MQTT broker at ${server} answered to ${doing}: ${reason.message} (${code})`, { cause: reason, retry: BUSY.has(code) })
}
