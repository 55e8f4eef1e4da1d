/**
 * A way to a broker that can be cut, reset and stalled: it listens on a port of its own, passes bytes on in both directions, and rewrites nothing.
 *
 * A broker tells its own address in its answers, so the broker has to be one that advertises the proxy: see `startBroker`.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** Numbers of requests. */
export const ASKS = { produce: 0, fetch: 1, metadata: 3, commit: 8, join: 11, heartbeat: 12 } as const

interface Pair {
  readonly client: Socket
  readonly broker: Socket
  /** Numbers of the requests that were sent on it. */
  readonly asked: Set<number>
}

/** Connections on which such a request was sent; all for undefined. */
type Which = keyof typeof ASKS | undefined

export class Proxy {
  readonly #server: Server
  readonly #to: { readonly host: string; readonly port: number }
  readonly #pairs = new Set<Pair>()
  #isStalled = false
  #refuses = false
  /** Connections taken so far. */
  taken = 0

  constructor(to: string) {
    const [host = '', port = ''] = to.split(':')
    this.#to = { host, port: Number(port) }
    this.#server = createServer({ pauseOnConnect: true }, client => this.#take(client))
  }

  async listen(port = 0): Promise<string> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}` // It listens on a port.
  }

  /** Connections that are open. */
  open(which?: Which): number {
    return this.#chosen(which).length
  }

  /** Ends all connections, as a broker does that is stopped. */
  cut(which?: Which): void {
    for (const { client, broker } of this.#chosen(which)) {
      client.end()
      broker.destroy()
    }
  }

  /** Breaks all connections off with a reset, as a broker does that died. */
  reset(which?: Which): void {
    for (const { client, broker } of this.#chosen(which)) {
      // Node.js leaves a socket open for ever that is reset after its end was sent.
      if (client.writableEnded) client.destroy()
      else client.resetAndDestroy()
      broker.destroy()
    }
  }

  /** Nothing passes any more, in either direction, and nobody is told: a cable that was pulled. New connections are taken and get no answer. */
  stall(): void {
    this.#isStalled = true
    this.stallOpen()
  }

  /** What is open now gets nothing ever again; new connections are served. */
  stallOpen(which?: Which): void {
    for (const { client, broker } of this.#chosen(which)) {
      client.pause()
      broker.pause()
    }
  }

  resume(): void {
    this.#isStalled = false
    for (const { client, broker } of this.#pairs) {
      client.resume()
      broker.resume()
    }
  }

  /** New connections are reset at once. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses
  }

  async close(): Promise<void> {
    this.reset()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #chosen(which: Which): Pair[] {
    return [...this.#pairs].filter(({ asked }) => which === undefined || asked.has(ASKS[which]))
  }

  #take(client: Socket): void {
    this.taken++
    if (this.#refuses) return void client.resetAndDestroy()
    const broker = connect(this.#to)
    const pair: Pair = { client, broker, asked: new Set() }
    this.#pairs.add(pair)
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', (bytes: Buffer) => void to.write(bytes))
      from.on('end', () => void to.end())
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
    }
    // A request that begins within a piece is not seen; of the same kind there are others.
    client.on('data', (bytes: Buffer) => void (bytes.length >= 6 && pair.asked.add(bytes.readInt16BE(4))))
    pass(client, broker)
    pass(broker, client)
    if (this.#isStalled) broker.pause()
    else client.resume()
  }
}
