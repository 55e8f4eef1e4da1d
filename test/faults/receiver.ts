/**
 * A server that sinks post to, which can misbehave: it refuses, hangs, is slow, and lies. It notes what it took, so that what is missing or came twice can be told.
 *
 * Events are JSON lines with a number in `n`.
 */
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of a request: whether its events are taken, and what is said. */
export type Manner =
  | 'take'
  /** 503, nothing is taken. */
  | 'refuse'
  /** Nothing is taken, and there is never an answer. */
  | 'hang'
  /** All is taken, and there is never an answer. */
  | 'take and hang'
  /** All is taken, and the answer says that it failed. */
  | 'take and deny'
  /** All is taken, and the connection breaks off within the answer. */
  | 'take and break off'
  /** All is taken, and the answer says so in its head, but never ends. */
  | 'take and never end'
  /** 200, and a body that is no JSON though the pipeline asks for results. */
  | 'take and babble'
  /** 429 that asks to be left alone for a second. */
  | 'later'

export class Receiver {
  readonly #server: Server
  /** How often each number was taken. */
  readonly taken = new Map<number, number>()
  /** Numbers in the order in which they were taken first. */
  readonly order: number[] = []
  /** When requests came, in milliseconds on the clock of `performance`. */
  readonly asked: number[] = []
  /** Chooses by the number of the request, which begins with 1. */
  manner: (request: number) => Manner = () => 'take'
  /** Milliseconds before each answer. */
  delay = 0
  url = ''
  /** Host and port. */
  address = ''

  constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push(performance.now())
      const manner = this.manner(this.asked.length)
      const parts: Buffer[] = []
      request.on('error', () => undefined)
      response.on('error', () => undefined)
      // A body that breaks off has no end, and is not taken.
      request.on('data', (part: Buffer) => void parts.push(part)).on('end', () => this.#answer(Buffer.concat(parts).toString('utf8'), response, manner))
    })
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(port, '127.0.0.1', resolve))
    this.address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}` // It listens on a port.
    return (this.url = `http://${this.address}`)
  }

  close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    return closed
  }

  /** Numbers below `count`, of those that `wanted` lets through, that never came. */
  missing(count: number, wanted: (n: number) => boolean = () => true): number[] {
    return Array.from({ length: count }, (_, n) => n).filter(n => wanted(n) && !this.taken.has(n))
  }

  /** Numbers that came more than once. */
  doubled(): number[] {
    return [...this.taken].filter(([, times]) => times > 1).map(([n]) => n)
  }

  #answer(body: string, response: ServerResponse, manner: Manner): void {
    if (manner.startsWith('take')) this.#take(body)
    if (this.delay === 0) return say(response, manner)
    setTimeout(() => say(response, manner), this.delay)
  }

  #take(body: string): void {
    for (const line of body.split('\n')) {
      if (line === '') continue
      const { n } = JSON.parse(line) as { readonly n: number }
      const times = this.taken.get(n) ?? 0
      if (times === 0) this.order.push(n)
      this.taken.set(n, times + 1)
    }
  }
}

function say(response: ServerResponse, manner: Manner): void {
  switch (manner) {
    case 'take':
      return void response.end('{"ok":true}')
    case 'refuse':
      return void response.writeHead(503).end('busy')
    case 'take and deny':
      return void response.writeHead(500).end('it failed')
    case 'take and babble':
      return void response.end('<html>fine</html>')
    case 'later':
      return void response.writeHead(429, { 'retry-after': '1' }).end()
    case 'take and break off':
      return void response.writeHead(200, { 'content-length': '100' }).write('{"ok":', () => response.destroy())
    case 'take and never end':
      return void response.writeHead(200, { 'content-length': '100' }).write('{"ok":')
    case 'hang':
    case 'take and hang':
      return
  }
}
