/**
 * A way to a server that goes wrong as networks do: it listens on a port of its own, passes bytes on in both directions, and rewrites nothing.
 *
 * Connections can be cut, reset and stalled at once; `hurt` says what happens to bytes on their way from now on. With nothing set, bytes pass as they come.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** What happens to bytes on their way. */
export interface Hurts {
  /** Milliseconds that each piece is late, and how many more at random. */
  readonly latency?: number
  readonly jitter?: number
  /** Pieces have so many bytes at most. */
  readonly slice?: number
  /** Bytes of one direction in a second. */
  readonly bandwidth?: number
  /** What the server says is thrown away, and the connection is reset then: it has done what was asked, and nobody learns it. */
  readonly losesAnswers?: boolean
  /** A connection is reset when so many bytes have gone in one direction. */
  readonly limit?: number
  /** Milliseconds that the end of a connection is passed on late. */
  readonly slowClose?: number
}

/** A connection of a client and the one to the server that belongs to it. */
export class Pair {
  readonly client: Socket
  readonly server: Socket

  constructor(client: Socket, server: Socket) {
    this.client = client
    this.server = server
  }
}

type Which = (pair: Pair) => boolean

export interface ProxyOptions {
  readonly random?: () => number
  /** Sees what clients send, before it is passed on. */
  readonly onRequest?: (pair: Pair, bytes: Buffer) => void
}

export class FaultyProxy {
  readonly #server: Server
  readonly #to: { readonly host: string; readonly port: number }
  readonly #pairs = new Set<Pair>()
  readonly #random: () => number
  readonly #onRequest: ((pair: Pair, bytes: Buffer) => void) | undefined
  #hurts: Hurts = {}
  #isStalled = false
  #refuses = false
  /** When connections were taken, on the clock of `performance`. */
  readonly taken: number[] = []

  constructor(to: string, { random = Math.random, onRequest }: ProxyOptions = {}) {
    const [host = '', port = ''] = to.split(':')
    this.#to = { host, port: Number(port) }
    this.#random = random
    this.#onRequest = onRequest
    this.#server = createServer({ pauseOnConnect: true }, client => this.#take(client))
  }

  /** Answers the address that it listens at. */
  async listen(port = 0): Promise<string> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}` // It listens on a port.
  }

  /** Connections that are open. */
  openPairs(which: Which = () => true): Pair[] {
    return [...this.#pairs].filter(which)
  }

  /** What happens to bytes from now on; of open connections too. */
  hurt(hurts: Hurts): void {
    this.#hurts = hurts
  }

  /** Ends all connections, as a server does that is stopped. */
  cutPairs(which?: Which): void {
    for (const { client, server } of this.openPairs(which)) {
      client.end()
      server.destroy()
    }
  }

  /** Breaks all connections off with a reset, as a server does that died. */
  resetPairs(which?: Which): void {
    for (const pair of this.openPairs(which)) breakOff(pair)
  }

  /** Nothing passes any more, in either direction, and nobody is told: a cable that was pulled. New connections are taken and get no answer. */
  stall(): void {
    this.#isStalled = true
    this.stallPairs()
  }

  /** What is open now gets nothing ever again; new connections are served. */
  stallPairs(which?: Which): void {
    for (const { client, server } of this.openPairs(which)) {
      client.pause()
      server.pause()
    }
  }

  resume(): void {
    this.#isStalled = false
    for (const { client, server } of this.#pairs) {
      client.resume()
      server.resume()
    }
  }

  /** New connections are reset at once. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses
  }

  /** All is as it should be again, for those too that were stalled. */
  heal(): void {
    this.#hurts = {}
    this.#refuses = false
    this.resume()
  }

  async close(): Promise<void> {
    this.resetPairs()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(client: Socket): void {
    this.taken.push(performance.now())
    if (this.#refuses) return void client.resetAndDestroy()
    const server = connect(this.#to)
    const pair = new Pair(client, server)
    this.#pairs.add(pair)
    if (this.#onRequest !== undefined) client.on('data', (bytes: Buffer) => this.#onRequest?.(pair, bytes))
    this.#pass(pair, client, server)
    this.#pass(pair, server, client)
    if (this.#isStalled) server.pause()
    else client.resume()
  }

  #pass(pair: Pair, from: Socket, to: Socket): void {
    let passed = 0
    // Of what is on its way; nothing is while nothing hurts.
    let under = 0
    let last = Promise.resolve()
    const queue = (work: () => Promise<void>): void => {
      under++
      last = last.then(work).catch(() => undefined).then(() => void under--)
    }
    from.on('data', (bytes: Buffer) => {
      const { latency = 0, jitter = 0, slice = 0, bandwidth = 0, losesAnswers = false, limit = Infinity } = this.#hurts
      if (losesAnswers && from === pair.server) return breakOff(pair)
      passed += bytes.length
      if (passed > limit) return breakOff(pair)
      if (under === 0 && latency + jitter + slice + bandwidth === 0) return void to.write(bytes)
      from.pause()
      queue(async () => {
        await wait(latency + jitter * this.#random())
        for (const part of slices(bytes, slice)) {
          if (to.destroyed) return
          to.write(part)
          await wait(bandwidth === 0 ? 0 : (part.length / bandwidth) * 1000)
        }
        if (!this.#isStalled) from.resume()
      })
    })
    from.on('end', () => {
      const { slowClose = 0 } = this.#hurts
      if (under === 0 && slowClose === 0) return void to.end()
      queue(async () => {
        await wait(slowClose)
        to.end()
      })
    })
    from.on('error', () => undefined)
    from.on('close', () => {
      this.#pairs.delete(pair)
      if (under === 0) to.destroy()
      else queue(() => Promise.resolve(void to.destroy()))
    })
  }
}

function breakOff({ client, server }: Pair): void {
  // Node.js leaves a socket open for ever that is reset after its end was sent.
  if (client.writableEnded) client.destroy()
  else client.resetAndDestroy()
  server.destroy()
}

function slices(bytes: Buffer, size: number): Buffer[] {
  if (size === 0) return [bytes]
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
  return parts
}
