/** Where the admin server listens: this machine alone, unless a token is asked for. */
import { UsageError } from '../failure.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

/** `PORT`, `HOST:PORT`, `[V6]:PORT`. Throws CLI_USAGE for what is none, and for another machine's eyes without a token. */
export function adminAddress(text: string, token: string | undefined): Address {
  const [, host = '127.0.0.1', port = ''] = /^(?:(\[[^\]]+\]|[^:[\]]*):)?(\d{1,5})$/.exec(text) ?? []
  if (port === '' || Number(port) > 65_535) throw new UsageError('CLI_USAGE', `--admin takes HOST:PORT or PORT, not "${text}".`)
  const bare = host === '' ? '127.0.0.1' : host.replaceAll(/[[\]]/g, '')
  if (!isLoopback(bare) && (token ?? '') === '') {
    throw new UsageError('CLI_USAGE', `--admin ${text} can be reached from other machines: it needs a token.`, 'Set SLUICE_ADMIN_TOKEN, or listen on 127.0.0.1.')
  }
  return { host: bare, port: Number(port) }
}

export const isLoopback = (host: string): boolean => LOOPBACK.test(host)
