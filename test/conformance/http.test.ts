/** The conformance kit over what speaks HTTP. */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { httpClient, httpServer, httpSink } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { linesOf, numbered } from './outsides.ts'

const PIECE = 10

async function serverOf(t: TestContext, handle: (request: IncomingMessage, body: string, response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => (body += part)).on('end', () => handle(request, body, response))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // A server that listens at a port has one.
}

/** A port that nobody listens at. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // As above.
  await new Promise(resolve => server.close(resolve))
  return port
}

const NO_METADATA = 'a request carries headers of its own, its events none'

connectorConformance({
  source: {
    declaration: httpServer,
    open: async (_t, count) => {
      const port = await freePort()
      const events = numbered(count)
      const post = async (some: readonly OutsideEvent[]): Promise<void> => {
        for (;;) {
          const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: linesOf(some) }).catch(() => undefined)
          await answer?.arrayBuffer()
          if (answer?.status === 200) return
          // It does not listen yet.
          await new Promise(setImmediate)
        }
      }
      return {
        config: { port },
        events,
        put: async () => {
          for (let from = 0; from < count; from += PIECE) await post(events.slice(from, from + PIECE))
        },
      }
    },
  },
  except: {
    metadata: NO_METADATA,
    stream_saturated_unacked: 'whoever posts waits for an answer: the next request comes when the one before is durable',
    stream_parallel_lossy_through_reconnect: 'connections are the clients\'',
  },
})

connectorConformance({
  source: {
    declaration: httpClient,
    open: async (t, count) => {
      const events = numbered(count)
      let there = false
      let cut = false
      const url = await serverOf(t, (request, _body, response) => {
        if (cut) {
          cut = false
          return void request.socket.destroy()
        }
        const page = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('page') ?? 1)
        const items = there ? events.slice((page - 1) * PIECE, page * PIECE).map(({ value }) => value) : []
        response.setHeader('content-type', 'application/json').end(JSON.stringify(items))
      })
      return { config: { url, paging: { by: 'page' } }, events, put: () => void (there = true), cut: () => void (cut = true) }
    },
  },
  except: { metadata: NO_METADATA },
})

connectorConformance({
  sink: {
    declaration: httpSink,
    open: async t => {
      const received: OutsideEvent[] = []
      let [fail, cut] = [0, false]
      let refused = (_value: JsonValue): boolean => false
      const url = await serverOf(t, (request, body, response) => {
        if (cut) {
          cut = false
          return void request.socket.destroy()
        }
        if (fail > 0) {
          fail--
          return void response.writeHead(503).end()
        }
        const values = body.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as JsonValue) // The sink sends JSON lines.
        received.push(...values.filter(value => !refused(value)).map(value => ({ value })))
        response.end(JSON.stringify({ results: values.map(value => (refused(value) ? { status: 422, error: 'not this one' } : { status: 200 })) }))
      })
      return { config: { url, results: 'results' }, received: () => received, failNext: () => void fail++, refuse: picks => void (refused = picks), cut: () => void (cut = true) }
    },
  },
  except: { metadata: NO_METADATA, output_only_override: 'it posts to one address' },
})
