/** Lines out of a stream of bytes, without their ends. Views: they hold until the next piece is asked for. */
import { SluiceError } from '../../base/index.ts'

/** Bytes that a line may have. */
export const LINE_MAX = 16 * 1024 * 1024

/** The lines of each piece, in one list. The last line may come without an end. Throws RECORD_TOO_LONG. */
export async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[], void> {
  let rest: Uint8Array = new Uint8Array(0)
  for await (const piece of stream) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const lines: Uint8Array[] = []
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      lines.push(bytes.subarray(from, end > from && bytes[end - 1] === 13 ? end - 1 : end))
      from = end + 1
    }
    // Of its own: the stream may use the piece again.
    rest = bytes.slice(from)
    if (rest.length > LINE_MAX) throw new SluiceError('RECORD_TOO_LONG', `A line has more than ${LINE_MAX} bytes.`)
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [rest]
}

/** The stream until the signal fires: what was read before is handed out, what is waited for is not. */
export async function* until(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const iterator = stream[Symbol.asyncIterator]()
  const { promise: stopped, resolve } = Promise.withResolvers<undefined>()
  const stop = (): void => resolve(undefined)
  signal.addEventListener('abort', stop, { once: true })
  try {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), stopped])
      if (next === undefined || next.done === true) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
