/** What an AMQP broker and the way to it say, in plain words. No message holds a password: addresses are shown without the login. */
import { SluiceError } from '../../base/index.ts'
import { WAYS, isTlsCode, tlsCures, tlsWords } from '../network.ts'

const NETWORK: Readonly<Record<string, string>> = { ...WAYS, ENOTFOUND: `${WAYS['ENOTFOUND']} Check "url".` }

/** How the client words what the broker said: `404 (NOT-FOUND) with message "NOT_FOUND - no queue 'x' in vhost '/'"`. */
const SAID = /(\d{3}) \([A-Z-]+\) with message "(.*)"/s

/** An error of the client or of the broker. What is wrong for all messages, such as the login, ends the run: they are not given up one by one. `server` is its address without the login, `doing` what was asked for. */
export function amqpError(error: unknown, server: string, doing: string): SluiceError {
  if (error instanceof SluiceError) return error
  const reason = error instanceof Error ? error : new Error(String(error))
  const said = SAID.exec(reason.message)
  if (said !== null) return fromReply(Number(said[1]), said[2] ?? '', reason, server, doing)
  const code = 'code' in reason ? reason.code : undefined
  if (isTlsCode(code)) return new SluiceError('AMQP_TLS', `The encrypted connection to the AMQP broker at ${server} could not be made: ${tlsWords(reason, tlsCures('amqp:// instead of amqps://'))}`, { cause: error, stops: true })
  const why = (typeof code === 'string' ? NETWORK[code] : undefined) ?? (/time.?out/i.test(reason.message) ? 'it did not answer in time.' : 'the connection was cut.')
  return new SluiceError('AMQP_CONNECT', `The AMQP broker at ${server} could not be reached for ${doing}: ${why}`, { cause: error })
}

function fromReply(code: number, text: string, reason: Error, server: string, doing: string): SluiceError {
  const isLogin = doing === 'the login'
  const said = text.replace(/^[A-Z_]+ - /, '')
  switch (code) {
    case 403:
      if (isLogin) return new SluiceError('AMQP_AUTH', `The AMQP broker at ${server} refused the login: the user or the password is wrong. Check "username" and "password".`, { cause: reason, stops: true })
      return new SluiceError('AMQP_DENIED', `The AMQP broker at ${server} does not allow ${doing} to this user: ${said}. Give the user that permission at the broker.`, { cause: reason })
    case 404:
      return new SluiceError('AMQP_MISSING', `The AMQP broker at ${server} does not have what is wanted for ${doing}: ${said}. Check the name, or make it.`, { cause: reason })
    case 406:
      return new SluiceError('AMQP_SETTING', `The AMQP broker at ${server} refuses ${doing}: ${said}.`, { cause: reason })
    case 320:
      return new SluiceError('AMQP_CONNECT', `The AMQP broker at ${server} ended the connection: ${said}.`, { cause: reason })
    default:
      return new SluiceError('AMQP_REPLY', `The AMQP broker at ${server} answered to ${doing}: ${said} (${code})`, { cause: reason, retry: code === 405 || code === 506 || code === 541 })
  }
}
