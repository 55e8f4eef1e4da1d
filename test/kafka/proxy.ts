/**
 * A way to a broker that can be cut, reset and stalled: it listens on a port of its own, passes bytes on in both directions, and rewrites nothing.
 *
 * A broker tells its own address in its answers, so the broker has to be one that advertises the proxy: see `startBroker`.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

interface Pair {
  readonly client: Socket
  readonly broker: Socket
}

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

  get open(): number {
    return this.#pairs.size
  }

  /** Ends all connections, as a broker does that is stopped. */
  cut(): void {
    for (const { client, broker } of this.#pairs) {
      client.end()
      broker.destroy()
    }
  }

  /** Breaks all connections off with a reset, as a broker does that died. */
  reset(): void {
    for (const { client, broker } of this.#pairs) {
      client.resetAndDestroy()
      broker.destroy()
    }
  }

  /** Nothing passes any more, in either direction, and nobody is told: a cable that was pulled. New connections are taken and get no answer. */
  stall(): void {
    this.#isStalled = true
    for (const { client, broker } of this.#pairs) {
      client.pause()
      broker.pause()
    }
  }

  /** What is open now gets nothing ever again; new connections are served. */
  stallOpen(): void {
    this.stall()
    this.#isStalled = false
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

  #take(client: Socket): void {
    this.taken++
    if (this.#refuses) return void client.resetAndDestroy()
    const broker = connect(this.#to)
    const pair: Pair = { client, broker }
    this.#pairs.add(pair)
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', bytes => void to.write(bytes))
      from.on('end', () => void to.end())
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
    }
    pass(client, broker)
    pass(broker, client)
    if (this.#isStalled) broker.pause()
    else client.resume()
  }
}
