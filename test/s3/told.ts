/** Who is told of results, and what must hold of that. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { openLog, recordsOf } from '../../src/log/index.ts'
import type { S3Server } from './server.ts'

export const SECRET = `whsec_${Buffer.from('a secret of the tests, 32 bytes.').toString('base64')}`

export interface Told {
  readonly id: string
  readonly type: string
  readonly timestamp: string
  readonly data: { readonly bucket: string; readonly key: string; readonly records: number; readonly bytes: number; readonly sha256: string; readonly time: string; readonly input: readonly unknown[] }
}

/** A server that takes webhooks, after it has checked their signatures with the library that receivers use. */
export class Receiver {
  readonly told: Told[] = []
  /** Keys that were told before their objects were there. */
  readonly early: string[] = []
  /** Requests whose signature is wrong. */
  forged = 0
  requests = 0
  /** Answers the status of the next request; what it refuses is not taken. */
  status: () => number = () => 200
  readonly #bucket: string
  readonly #server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      this.requests++
      const status = this.status()
      if (status < 300) this.#take(body, request.headers as Record<string, string>) // Its headers come once each.
      response.writeHead(status).end()
    })
  })

  constructor(server: S3Server) {
    this.#bucket = join(server.service.folder, 'data', server.config.bucket)
  }

  #take(body: string, headers: Record<string, string>): void {
    try {
      const told = new Webhook(SECRET).verify(body, headers) as Told
      assert.equal(headers['webhook-id'], told.id)
      if (!existsSync(join(this.#bucket, told.data.key))) this.early.push(told.data.key)
      this.told.push(told)
    } catch {
      this.forged++
    }
  }

  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/results` // It listens at a port.
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** What stands in the one partition of a topic that was written to, in order. */
export async function toldIn(place: string, topic: string, partitions = 1): Promise<Told[]> {
  const log = await openLog(place, { warn: () => undefined })
  try {
    const ends = await log.admin.offsets(Array.from({ length: partitions }, (_, partition) => ({ topic, partition, start: 'latest' as const })))
    const used = ends.filter(({ offset }) => offset > 0n)
    assert.ok(used.length <= 1, 'the messages stand in more than one partition')
    const consumer = log.consumer()
    await consumer.assign(used.map(({ partition }) => ({ topic, partition, start: 'earliest' as const })))
    const told: Told[] = []
    while (used.some(({ partition, offset }) => (consumer.position({ topic, partition }) ?? 0n) < offset)) {
      for (const { value, headers } of (await consumer.fetch({ wait: 100 })).flatMap(({ bytes }) => [...recordsOf(bytes)])) {
        const one = JSON.parse(Buffer.from(value ?? []).toString()) as Told
        assert.deepEqual(headers.map(([name, id]) => [name, Buffer.from(id ?? []).toString()]), [['id', one.id]])
        told.push(one)
      }
    }
    await consumer.close()
    return told
  } finally {
    await log.close()
  }
}

/** Those of one id once, at the first place. They must be alike. */
export function withoutRepeats(told: readonly Told[]): Told[] {
  const first = new Map<string, Told>()
  for (const one of told) {
    const known = first.get(one.id)
    if (known === undefined) first.set(one.id, one)
    else assert.deepEqual(one, known)
  }
  return [...first.values()]
}

/** Every object of the manifest was told as it is, in the order of the manifest, and nothing else was. */
export async function checkTold(server: S3Server, name: string, told: readonly Told[]): Promise<void> {
  const lines = (await server.textBelow(`${name}-manifest/`)).split('\n').filter(line => line !== '')
  const complete = lines.map(line => JSON.parse(line) as Omit<Told['data'], 'records'> & { readonly events: number })
  assert.deepEqual(complete.map(({ key }) => key).toSorted(), (await server.keys(`${name}/`)).toSorted())
  const wanted = complete.map(({ bucket, key, events, bytes, sha256, time, input }) => ({ bucket, key, records: events, bytes, sha256, time, input }))
  const got = withoutRepeats(told).map(({ type, timestamp, data: { bucket, key, records, bytes, sha256, time, input } }) => {
    assert.deepEqual([type, timestamp], ['object.complete', time])
    return { bucket, key, records, bytes, sha256, time, input }
  })
  assert.deepEqual(got, wanted)
}
