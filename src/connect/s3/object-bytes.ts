/**
 * The bytes of an object as a stream that gets over a cut of its connection: it asks for the rest, from the byte on where it broke off.
 *
 * That the rest is of the same object is seen by the server, which is told its tag.
 */
import { Readable, pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { SluiceError } from '../../base/index.ts'
import type { Retry } from '../../base/index.ts'
import { unzstd } from '../zstd.ts'
import { s3Error } from './errors.ts'
import type { FoundObject, S3Store } from './store.ts'

interface Begun {
  readonly chunks: AsyncIterator<Buffer>
  readonly first: IteratorResult<Buffer>
}

/** Asks for the rest; an answer counts once its first bytes are there. */
async function begin(store: S3Store, object: FoundObject, from: number, signal: AbortSignal): Promise<Begun> {
  const body = await store.get(object, from, signal)
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer> // A body is bytes.
  try {
    return { chunks, first: await chunks.next() }
  } catch (error) {
    throw s3Error(error, store.place, `reading ${object.key}`)
  }
}

/** The object's own bytes, from a place on. */
async function* rawBytes(store: S3Store, object: FoundObject, from: number, retry: Retry, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (let at = from; at < object.size; ) {
    const { value: { chunks, first } } = await retry.run(() => begin(store, object, at, signal), signal)
    if (first.done === true) throw new SluiceError('S3_REPLY', `${store.place.server} ended ${object.key} at byte ${at} of ${object.size}.`)
    try {
      for (let next: IteratorResult<Buffer> = first; next.done !== true; next = await chunks.next()) {
        at += next.value.length
        yield next.value
      }
    } catch (error) {
      // Broken off: the rest is asked for, unless nobody wants it any more.
      if (signal.aborted) throw error
    } finally {
      await chunks.return?.()
    }
  }
}

/** Unpacked bytes. What is broken in them is an error of the stream. */
export function objectBytes(store: S3Store, object: FoundObject, from: number, compression: 'none' | 'gzip' | 'zstd', retry: Retry, signal: AbortSignal): Readable {
  const raw = Readable.from(rawBytes(store, object, from, retry, signal), { objectMode: false, highWaterMark: 256 * 1024 })
  if (compression === 'none') return raw
  const through = compression === 'gzip' ? createGunzip() : unzstd()
  // The error reaches whoever reads `through`; the callback only keeps it from being uncaught.
  pipeline(raw, through, () => undefined)
  return through
}
