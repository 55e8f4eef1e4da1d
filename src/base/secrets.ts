/** Keeps secrets out of what people and machines read: passwords inside of addresses, and values that stand behind names that mean one. */

/**
 * A name that means a secret, whatever it belongs to, as a part of a regular expression: one of these words with anything around it. `key` alone is not among them: it mostly
 * is the key of an event.
 */
export const SECRET_NAME = '[\\w.-]*(?:passw(?:or)?d|pwd|passphrase|secret|token|credential|bearer|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie)[\\w-]*'
const ONLY = new RegExp(`^${SECRET_NAME}$`, 'i')
/** What such words are part of without being a secret: where tokens come from, what a secret is called. */
const HARMLESS = /[_-](?:url|uri|file|path|id|type|name)$/i

export function isSecretName(name: string): boolean {
  return ONLY.test(name) && !HARMLESS.test(name)
}

/** `user:password@` of an address, up to the last @ before its path: a password may hold one, too. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'`]*@/gi
/** The same where the @ is missing: what stands in the place of a port and is no number. */
const CUT_OFF = /([a-z][a-z0-9+.-]*:\/\/[^\s/?#"'`@:[\]*]+:)(?![\d$[{]|port\b)[^\s/?#"'`,}\]]+/gi
const PARAMETER = new RegExp(`([?&;](?:${SECRET_NAME}|sig|[\\w-]*signature)=)[^&;#\\s"'\`]+`, 'gi')

/** The text with the users, passwords and tokens of addresses in it replaced by `***`. */
export function withoutPasswords(text: string): string {
  return text.includes('://') || text.includes('=') ? text.replace(USER_INFO, '$1***@').replace(CUT_OFF, '$1***').replace(PARAMETER, '$1***') : text
}
