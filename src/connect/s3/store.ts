/**
 * One bucket of an object store, by the SDK's client: the only file that calls it.
 *
 * Loaded when opened. The client never tries again by itself: that is the sink's policy, so that breaker and rate limit see every request.
 */
import type { Readable } from 'node:stream'
import type { CompletedPart, PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import { isMissing, s3Error } from './errors.ts'
import type { S3Place } from './errors.ts'

export const S3_FIELDS = {
  bucket: field.string({ minLength: 1, description: 'Bucket' }),
  endpoint: field.optional(field.string({ description: 'Address of a server that is not Amazon\'s: http://localhost:9000' })),
  region: field.optional(field.string({ description: 'Region; without it AWS_REGION or that of the profile, and us-east-1 with an endpoint' })),
  path_style: field.optional(field.boolean({ description: 'Put the bucket into the path instead of the host; on by default with an endpoint' })),
  access_key: field.optional(field.secret({ description: 'Access key; without it what the environment, the profile, or the role of the container or machine gives' })),
  secret_key: field.optional(field.secret({ description: 'Secret of the access key' })),
  session_token: field.optional(field.secret({ description: 'Token of a temporary access key' })),
  profile: field.optional(field.string({ description: 'Profile of the shared configuration files' })),
  timeout: field.duration({ default: '60s', description: 'Longest wait for an answer' }),
}
const CONNECTION = field.object(S3_FIELDS)
export type S3Connection = ValueOf<typeof CONNECTION>

/** How objects are kept. */
export interface S3Keeping {
  readonly contentType: string
  readonly contentEncoding?: string
  readonly storageClass?: string | undefined
  readonly encryption?: string | undefined
  readonly kmsKey?: string | undefined
  readonly tags?: Readonly<Record<string, string>>
}

/** A part that the server has. */
export interface Part {
  readonly number: number
  readonly tag: string
}

/** An object as it was listed. */
export interface FoundObject {
  readonly key: string
  /** Another after each change. */
  readonly tag: string
  readonly size: number
  /** Milliseconds since 1970 when it was written. */
  readonly time: number
}

type Sdk = typeof import('@aws-sdk/client-s3')

export class S3Store {
  readonly #config: S3Connection
  #sdk: Sdk | undefined
  #client: S3Client | undefined
  #region: string

  constructor(config: S3Connection) {
    if ((config.access_key === undefined) !== (config.secret_key === undefined)) throw new SluiceError('CONFIG_VALUE', '"access_key" and "secret_key" go together: give both, or none of them.')
    this.#config = config
    this.#region = config.region ?? (config.endpoint === undefined ? '' : 'us-east-1')
  }

  get place(): S3Place {
    const { endpoint, bucket } = this.#config
    return { server: endpoint === undefined ? `Amazon S3${this.#region === '' ? '' : ` in ${this.#region}`}` : `the S3 server at ${endpoint.replace(/\/\/[^/@]*@/, '//')}`, bucket, region: this.#region }
  }

  /** Makes the client, and asks for the bucket: a wrong key or a missing bucket is told before anything is read. */
  async open(): Promise<void> {
    this.#sdk = await import('@aws-sdk/client-s3')
    const { endpoint, path_style: pathStyle, access_key: accessKeyId, secret_key: secretAccessKey, session_token: sessionToken, profile, timeout } = this.#config
    this.#client = new this.#sdk.S3Client({
      maxAttempts: 1,
      ...(this.#region === '' ? {} : { region: this.#region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      forcePathStyle: pathStyle ?? endpoint !== undefined,
      requestHandler: { requestTimeout: timeout, throwOnRequestTimeout: true, socketTimeout: timeout, connectionTimeout: Math.min(timeout, 10_000) },
      ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) } }),
    })
    if (this.#region === '') this.#region = await this.#client.config.region().catch((error: unknown) => {
      throw new SluiceError('CONFIG_VALUE', 'No region is known: set "region" or AWS_REGION.', { cause: error })
    })
  }

  async #call<T>(doing: string, work: (sdk: Sdk, client: S3Client) => Promise<T>): Promise<T> {
    if (this.#sdk === undefined || this.#client === undefined) throw new SluiceError('INTERNAL', 'the object store is not open')
    try {
      return await work(this.#sdk, this.#client)
    } catch (error) {
      throw s3Error(error, this.place, doing)
    }
  }

  /** Up to a thousand objects whose keys begin with `prefix`, in the order of their keys, behind the key `after`. Fewer than there are where `more` is true. */
  list(prefix: string, after: string | undefined): Promise<{ readonly objects: readonly FoundObject[]; readonly more: boolean }> {
    return this.#call(`listing ${prefix === '' ? 'the objects' : prefix}`, async (sdk, client) => {
      const page = await client.send(new sdk.ListObjectsV2Command({ Bucket: this.#config.bucket, Prefix: prefix, ...(after === undefined ? {} : { StartAfter: after }) }))
      const objects = (page.Contents ?? []).flatMap(({ Key: key, ETag: tag = '', Size: size = 0, LastModified: time }) => (key === undefined ? [] : [{ key, tag, size, time: time?.getTime() ?? 0 }]))
      return { objects, more: page.IsTruncated === true }
    })
  }

  /** The bytes of an object from a place on, up to another where it is given. Throws S3_CHANGED where it is not the one that was listed. */
  get({ key, tag }: Pick<FoundObject, 'key' | 'tag'>, from: number, signal?: AbortSignal, to?: number): Promise<Readable> {
    return this.#call(`reading ${key}`, async (sdk, client) => {
      const range = from === 0 && to === undefined ? {} : { Range: `bytes=${from}-${to === undefined ? '' : to - 1}` }
      const { Body: body } = await client.send(new sdk.GetObjectCommand({ Bucket: this.#config.bucket, Key: key, ...range, ...(tag === '' ? {} : { IfMatch: tag }) }), signal === undefined ? {} : { abortSignal: signal })
      if (body === undefined || !('pipe' in body)) throw new SluiceError('S3_REPLY', `${this.place.server} gave no bytes for ${key}.`)
      return body // In Node it is a stream.
    })
  }

  /** A range of an object's bytes. */
  async getRange(object: Pick<FoundObject, 'key' | 'tag'>, from: number, to: number, signal: AbortSignal): Promise<ArrayBuffer> {
    const body = await this.get(object, from, signal, to)
    return this.#call(`reading ${object.key}`, async () => {
      const bytes = new Uint8Array(to - from)
      let done = 0
      for await (const chunk of body as AsyncIterable<Buffer>) { // A body is bytes.
        bytes.set(chunk, done)
        done += chunk.length
      }
      if (done < bytes.length) throw new SluiceError('S3_REPLY', `${this.place.server} gave ${done} of ${bytes.length} bytes of ${object.key}.`, { retry: true })
      return bytes.buffer
    })
  }

  async put(key: string, body: Uint8Array, keeping: S3Keeping): Promise<void> {
    await this.#call(`writing ${key}`, (sdk, client) => client.send(new sdk.PutObjectCommand({ ...this.#kept(key, keeping), Body: body })))
  }

  /** Begins an upload in parts, and answers its id. */
  begin(key: string, keeping: S3Keeping): Promise<string> {
    return this.#call(`beginning ${key}`, async (sdk, client) => {
      const { UploadId: id } = await client.send(new sdk.CreateMultipartUploadCommand(this.#kept(key, keeping)))
      if (id === undefined) throw new SluiceError('S3_REPLY', `${this.place.server} gave no id for the upload of ${key}.`)
      return id
    })
  }

  /** Writes a part; the same number again replaces it. */
  part(key: string, upload: string, number: number, body: Uint8Array): Promise<Part> {
    return this.#call(`writing part ${number} of ${key}`, async (sdk, client) => {
      const { ETag: tag } = await client.send(new sdk.UploadPartCommand({ Bucket: this.#config.bucket, Key: key, UploadId: upload, PartNumber: number, Body: body }))
      if (tag === undefined) throw new SluiceError('S3_REPLY', `${this.place.server} gave no tag for part ${number} of ${key}.`)
      return { number, tag }
    })
  }

  /** Makes the object of its parts. Asked again for one that is complete, it does nothing. Throws S3_GONE where neither the upload nor the object is there. */
  async complete(key: string, upload: string, parts: readonly Part[]): Promise<void> {
    const Parts: CompletedPart[] = parts.map(({ number, tag }) => ({ PartNumber: number, ETag: tag }))
    await this.#call(`completing ${key}`, async (sdk, client) => {
      try {
        await client.send(new sdk.CompleteMultipartUploadCommand({ Bucket: this.#config.bucket, Key: key, UploadId: upload, MultipartUpload: { Parts } }))
      } catch (error) {
        if (!isMissing(error) || !(await this.exists(key))) throw error
      }
    })
  }

  async exists(key: string): Promise<boolean> {
    return this.#call(`looking for ${key}`, async (sdk, client) => {
      try {
        await client.send(new sdk.HeadObjectCommand({ Bucket: this.#config.bucket, Key: key }))
        return true
      } catch (error) {
        if (isMissing(error)) return false
        throw error
      }
    })
  }

  /** Gives up an upload; one that is gone already is fine. */
  async abort(key: string, upload: string): Promise<void> {
    await this.#call(`giving up ${key}`, async (sdk, client) => {
      try {
        await client.send(new sdk.AbortMultipartUploadCommand({ Bucket: this.#config.bucket, Key: key, UploadId: upload }))
      } catch (error) {
        if (!isMissing(error)) throw error
      }
    })
  }

  #kept(key: string, { contentType, contentEncoding, storageClass, encryption, kmsKey, tags = {} }: S3Keeping): PutObjectCommandInput {
    const tagging = Object.entries(tags).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')
    return {
      Bucket: this.#config.bucket, Key: key, ContentType: contentType,
      ...(contentEncoding === undefined ? {} : { ContentEncoding: contentEncoding }),
      // Lists of the SDK's version: what a server knows beside them is the server's to refuse.
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
      ...(encryption === undefined ? {} : { ServerSideEncryption: encryption as NonNullable<PutObjectCommandInput['ServerSideEncryption']> }),
      ...(kmsKey === undefined ? {} : { SSEKMSKeyId: kmsKey }),
      ...(tagging === '' ? {} : { Tagging: tagging }),
    }
  }

  close(): void {
    this.#client?.destroy()
    this.#client = undefined
  }
}
