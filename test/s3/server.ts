/** A real S3 server for the tests, started by `test/servers/s3`, and what is looked at there without the code under test. */
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { AbortMultipartUploadCommand, CreateBucketCommand, GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { unzstd } from '../../src/connect/zstd.ts'
import { startService } from '../servers/service.ts'
import type { Service } from '../servers/service.ts'

export interface S3Server {
  readonly service: Service
  /** The connection's part of a config. */
  readonly config: { readonly endpoint: string; readonly region: string; readonly access_key: string; readonly secret_key: string; readonly bucket: string }
  /** Keys below a prefix, in their order. */
  keys(prefix: string, bucket?: string): Promise<string[]>
  /** What is stored. */
  get(key: string, bucket?: string): Promise<Buffer>
  /** The text of an object, unpacked by its ending. */
  text(key: string): Promise<string>
  /** Texts of all objects below a prefix, one after the other. */
  textBelow(prefix: string): Promise<string>
  put(key: string, body: string | Uint8Array): Promise<void>
  tags(key: string): Promise<Readonly<Record<string, string>>>
  head(key: string): Promise<{ readonly type: string | undefined }>
  makeBucket(name: string): Promise<void>
  /** Keys of uploads that were begun and not completed. */
  unfinished(): Promise<string[]>
  abortAll(): Promise<void>
  dispose(): Promise<void>
}

/** The server, or why there is none. */
export async function startS3(args: readonly string[] = []): Promise<S3Server | string> {
  const service = await startService('s3', { args })
  if (typeof service === 'string') return service
  const value = (key: string): string => service.value(key)
  const config = { endpoint: value('endpoint'), region: value('region'), access_key: value('access_key'), secret_key: value('secret_key'), bucket: value('bucket') }
  // The server is restarted now and then, also while something is put there.
  const client = new S3Client({ maxAttempts: 30, endpoint: config.endpoint, region: config.region, forcePathStyle: true, credentials: { accessKeyId: config.access_key, secretAccessKey: config.secret_key } })
  const Bucket = config.bucket
  const server: S3Server = {
    service,
    config,
    async keys(prefix, bucket = Bucket) {
      const keys: string[] = []
      for (let token: string | undefined, more = true; more; more = token !== undefined) {
        const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }))
        for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key)
        token = page.NextContinuationToken
      }
      return keys
    },
    async get(Key, bucket = Bucket) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      return Buffer.from((await Body?.transformToByteArray()) ?? [])
    },
    async text(key) {
      const body = await server.get(key)
      const unpack = key.endsWith('.gz') ? createGunzip() : key.endsWith('.zst') ? unzstd() : undefined
      return unpack === undefined ? body.toString() : text(Readable.from([body]).pipe(unpack))
    },
    async textBelow(prefix) {
      const texts: string[] = []
      for (const key of await server.keys(prefix)) texts.push(await server.text(key))
      return texts.join('')
    },
    async put(Key, Body) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }))
    },
    async tags(Key) {
      const { TagSet = [] } = await client.send(new GetObjectTaggingCommand({ Bucket, Key }))
      return Object.fromEntries(TagSet.map(({ Key: name = '', Value = '' }) => [name, Value]))
    },
    async head(Key) {
      return { type: (await client.send(new HeadObjectCommand({ Bucket, Key }))).ContentType }
    },
    async makeBucket(name) {
      await client.send(new CreateBucketCommand({ Bucket: name }))
    },
    async unfinished() {
      return ((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []).map(({ Key = '' }) => Key)
    },
    async abortAll() {
      for (const { Key, UploadId } of (await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []) await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    },
    async dispose() {
      client.destroy()
      await service.dispose()
    },
  }
  return server
}
