/**
 * HTTP requests that can't be led into a private network.
 *
 *     url -> its host is named in the config, or every address it has is public -> connect to the address that was looked at -> redirect: the same again
 *
 * The name is looked up once, and the connection goes to what was found: a name that means something else a moment later gains nothing. A redirect to another origin
 * gets no credentials. Answers in gzip, deflate, brotli or zstd are unpacked as they are read, so a limit on what is read holds for what was unpacked.
 */
import { lookup as lookupAll } from 'node:dns'
import type { LookupAddress, LookupOptions } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import type { Duplex } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { SluiceError } from '../../base/index.ts'
import { unzstd } from '../zstd.ts'

const REDIRECTS_MAX = 5
/** Addresses that are not of the public internet: IANA's special-purpose registries. */
const PRIVATE: readonly (readonly [address: string, bits: number])[] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24],
  ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
  ['::', 128], ['::1', 128], ['64:ff9b::', 96], ['64:ff9b:1::', 48], ['100::', 64], ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['fc00::', 7], ['fe80::', 10], ['fec0::', 10], ['ff00::', 8],
]

function listOf(subnets: readonly (readonly [address: string, bits: number])[]): BlockList {
  const list = new BlockList()
  for (const [address, bits] of subnets) list.addSubnet(address, bits, familyOf(address))
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

/** Made when first asked for: it takes milliseconds, and most pipelines ask no server. */
let privateAddresses: BlockList | undefined

/** True for an address that is not of the public internet; an IPv4 address inside an IPv6 one counts as itself. */
export function isPrivate(address: string): boolean {
  privateAddresses ??= listOf(PRIVATE)
  return privateAddresses.check(address, familyOf(address))
}

export interface Request {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  readonly signal: AbortSignal
}

type Resolve = (host: string, options: LookupOptions & { all: true }, done: (error: Error | null, addresses: LookupAddress[]) => void) => void

export class Egress {
  readonly #names: ReadonlySet<string>
  readonly #allowed: BlockList
  readonly #resolve: Resolve

  /**
   * `allowed`: names, addresses and subnets (10.0.0.0/8) that may lie in a private network. Throws CONFIG_VALUE for one that is none of them. `named` is the host that the config
   * itself gives: an address, or localhost, that a person wrote there is meant.
   */
  constructor(allowed: readonly string[], named: string, resolve: Resolve = lookupAll) {
    const host = bare(named)
    const all = isIP(host) !== 0 || host === 'localhost' ? [...allowed, host] : allowed
    this.#names = new Set(all.map(each => each.toLowerCase()))
    this.#allowed = listOf(all.flatMap(subnetOf))
    this.#resolve = resolve
  }

  /** Asks a server, following redirects. Throws HTTP_PRIVATE where it leads into a private network, and what the connection says. */
  async request(url: string, request: Request): Promise<Response> {
    let [at, now] = [new URL(url), request]
    for (let hops = 0; ; hops++) {
      const response = await this.#once(at, now)
      const location = response.headers.get('location')
      if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return response
      await response.body?.cancel()
      if (hops === REDIRECTS_MAX) throw new SluiceError('HTTP_STATUS', `${url} redirects more than ${REDIRECTS_MAX} times.`)
      const next = new URL(location, at)
      now = redirected(now, response.status, next.origin === at.origin)
      at = next
    }
  }

  async #once(url: URL, { method = 'GET', headers = {}, body, signal }: Request): Promise<Response> {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new SluiceError('HTTP_PRIVATE', `${url.protocol}//${url.host} is neither http nor https.`)
    const host = bare(url.hostname)
    if (isIP(host) !== 0) this.#check(host, [{ address: host, family: isIP(host) }])
    const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const all = { 'accept-encoding': 'gzip, deflate, br, zstd', ...headers }
    const sent = request(url, { method, headers: all, signal, lookup: this.#lookup }, message => resolve(responseOf(message)))
    sent.on('error', reject)
    sent.end(body)
    return promise
  }

  /** Answers only addresses that may be connected to. */
  readonly #lookup: LookupFunction = (host, options, done) => {
    this.#resolve(host, { ...options, all: true }, (error, addresses) => {
      try {
        if (error !== null) throw error
        this.#check(host, addresses)
      } catch (refused) {
        return done(refused as Error, '') // Both throw errors.
      }
      const [first] = addresses
      if (options.all === true) done(null, addresses)
      else done(null, first?.address ?? '', first?.family)
    })
  }

  #check(host: string, addresses: readonly LookupAddress[]): void {
    if (this.#names.has(host.toLowerCase())) return
    const inside = addresses.find(({ address }) => isPrivate(address) && !this.#allowed.check(address, familyOf(address)))
    if (inside === undefined) return
    const what = inside.address === host ? host : `${host} is ${inside.address}, which`
    throw new SluiceError('HTTP_PRIVATE', `${what} lies in a private network. If that is meant, name it under "private_hosts".`)
  }
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '').toLowerCase()
}

function subnetOf(entry: string): (readonly [string, number])[] {
  const [address = '', bits, ...more] = entry.split('/')
  const version = isIP(address)
  const most = version === 6 ? 128 : 32
  const count = bits === undefined ? most : Number(bits)
  if (version !== 0 && more.length === 0 && Number.isInteger(count) && count >= 0 && count <= most) return [[address, count]]
  if (version === 0 && bits === undefined && /^[\w.-]+$/.test(entry)) return []
  throw new SluiceError('CONFIG_VALUE', `${JSON.stringify(entry)} is no host, address or subnet: write api.internal, 10.1.2.3 or 10.0.0.0/8.`)
}

/** The next request after a redirect. Credentials stay with the origin that they were meant for. */
function redirected(request: Request, status: number, isSameOrigin: boolean): Request {
  const { method = 'GET', headers = {}, body, signal } = request
  const kept = isSameOrigin ? headers : { ...(headers['accept'] === undefined ? {} : { accept: headers['accept'] }) }
  const becomesGet = status === 303 || ((status === 301 || status === 302) && method === 'POST')
  return becomesGet || body === undefined ? { method: becomesGet ? 'GET' : method, headers: kept, signal } : { method, headers: kept, body, signal }
}

const UNPACKERS: Readonly<Record<string, () => Duplex>> = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress, zstd: unzstd }

function responseOf(message: IncomingMessage): Response {
  const headers = new Headers()
  for (const [name, values] of Object.entries(message.headersDistinct)) for (const value of values ?? []) headers.append(name, value)
  const status = message.statusCode ?? 0
  const hasBody = status >= 200 && status !== 204 && status !== 205 && status !== 304
  if (!hasBody) {
    message.resume()
    return new Response(null, { status, headers })
  }
  return new Response(Readable.toWeb(unpacked(message)) as ReadableStream<Uint8Array>, { status, headers }) // A stream of bytes.
}

function unpacked(message: IncomingMessage): Readable {
  const make = UNPACKERS[message.headers['content-encoding'] ?? '']
  if (make === undefined) return message
  const unpack = make()
  message.on('error', error => unpack.destroy(error))
  unpack.on('close', () => message.destroy())
  return message.pipe(unpack)
}
