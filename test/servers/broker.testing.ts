/** What the tests of brokers share: components that are opened by hand, and pipelines that run until the test ends them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer as createSilent } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createServer } from 'node:tls'
import { SluiceError } from '../../src/base/index.ts'
import { packMessage } from '../../src/connect/messages/message-codec.ts'
import { copy, testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { ComponentContext, Report, RowAnswer, Sink, SinkDeclaration, Source, SourceDeclaration } from '../../src/engine/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { expire } from './certificates.ts'
import type { Service } from './service.ts'

const context = (): ComponentContext => testContext({ sleep: (ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }) })

export function sinkOf(declaration: SinkDeclaration, config: object): Sink {
  return declaration.create(prepareConfig(declaration.config, config, context()), context())
}

export function sourceOf(declaration: SourceDeclaration, config: object): Source {
  return declaration.create(prepareConfig(declaration.config, config, context()), context())
}

/** Opens a sink and hands it messages, each to the place `to`; answers what it says of the rows. */
export async function hand(t: TestContext, sink: Sink, to: string, count = 1): Promise<readonly RowAnswer[]> {
  t.after(() => sink.close('done'))
  await sink.open(undefined)
  return write(sink, to, count)
}

/** The same for a sink that is open, as a worker does it. */
export async function write(sink: Sink, to: string, count = 1): Promise<readonly RowAnswer[]> {
  const parts = upTo(count).map(n => packMessage([to, ''], JSON.stringify({ n })))
  let end = 0
  const ends = Uint32Array.from(parts, ({ length }) => (end += length))
  return (await sink.write({ number: 0, target: '', bytes: Buffer.concat(parts), rows: count, ends }, new AbortController().signal)) ?? []
}

/** Opens a source or a sink that must not open; answers the error. No part of it may show the secret. */
export async function refusal(component: Source | Sink, secret = 'not-the-secret'): Promise<SluiceError> {
  try {
    const error: unknown = await component.open(undefined).then(() => assert.fail('it was let in'), (why: unknown) => why)
    assert.ok(error instanceof SluiceError, String(error))
    assert.doesNotMatch(`${error.message} ${error.stack ?? ''}`, new RegExp(secret))
    return error
  } finally {
    await component.close('failed')
  }
}

/** A port that shows the expired certificate of a service and says nothing else. */
export async function expiredPort(t: TestContext, service: Service): Promise<number> {
  await expire(service.folder)
  const file = (name: string): Buffer => readFileSync(join(service.folder, name))
  const server = createServer({ key: file('server.key'), cert: file('expired.pem') })
  server.on('tlsClientError', () => undefined)
  t.after(() => server.close())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A port that takes connections and never says anything. */
export async function silentPort(t: TestContext): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createSilent(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

export interface Running {
  readonly folder: string
  readonly warnings: readonly string[]
  /** Events that have arrived, where the sink is a file. */
  numbers(): number[]
  /** Rejects where the pipeline fails. */
  readonly report: Promise<Report>
  finish(): Promise<Report>
}

interface End {
  readonly type: string
  readonly config: object
}

/** A pipeline whose sink tries again for as long as the test runs. */
export function running(t: TestContext, source: End, sink: End = { type: 'file', config: { path: 'out.ndjson', format: 'ndjson' } }): Running {
  const stop = new AbortController()
  const folder = folderOf(t)
  const warnings: string[] = []
  const report = copy(folder, source, sink, {
    sinks: [{ id: 'out', from: ['in'], ...sink, breaker: undefined, rateLimit: undefined, retry: { attempts: 1000, backoff: 20, factor: 2, backoffMax: 200, deadline: 60_000, budget: 0 } }],
    options: { signal: stop.signal, onWarning: (_place: string, message: string) => void warnings.push(message) },
  })
  // The test asks for it at its end.
  report.catch(() => undefined)
  // One that fails before would else never end.
  t.after(() => stop.abort())
  return {
    folder, warnings, report,
    numbers: () => numbersIn(join(folder, 'out.ndjson')),
    finish: () => {
      stop.abort()
      return report
    },
  }
}

/** What the dead letters of a pipeline say, by the codes of the registry. */
export function lettersOf({ folder }: Pick<Running, 'folder'>): readonly { readonly code: string; readonly reason: string }[] {
  try {
    return readFileSync(join(folder, 'dead.ndjson'), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as { readonly code: string; readonly reason: string }) // As the pipeline writes them.
  } catch {
    return []
  }
}

/** Field `n` of the events of a file. */
export function numbersIn(path: string): number[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { readonly n: number }).n) // Events of the tests.
  } catch {
    return []
  }
}

export const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => n + from)

/** Asks again and again until it is so: what a real server does, no clock of ours can be moved to. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await pause(10)
}
