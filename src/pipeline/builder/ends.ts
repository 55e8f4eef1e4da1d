/** The two ends of a pipeline that a program runs by itself: values that it has, and a function that takes what comes out. */
import { untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { Piece, SourceDeclaration } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { MEMORY_FORMAT, takingSink } from '../memory-components.ts'
import type { SinkUse, SourceUse } from './use.ts'

/** Ends that a pipeline makes by itself get their type's name from the pipeline. */
export const INLINE = 'inline'

/** A source of values, from anything that can be iterated over. It can't go back: with `state`, a restart reads on where the program does. */
export function items<T>(values: Iterable<T> | AsyncIterable<T>): SourceUse<T> {
  return { type: INLINE, config: {}, source: iterableSource(values) }
}

/** A sink that hands each event to a function, one after the other. What the function throws is tried again as the sink's `retry` says. */
export function each(take: (event: never) => void | Promise<void>): SinkUse {
  return { type: INLINE, config: {}, sink: takingSink(INLINE, (_id, event) => take(event as never)) } // Of the type that the function's author says.
}

/** A sink that adds each event to a list. */
export function collect(list: unknown[]): SinkUse {
  return each((event: unknown) => void list.push(event))
}

function iterableSource<T>(values: Iterable<T> | AsyncIterable<T>): SourceDeclaration {
  return defineSource({
    type: INLINE,
    summary: 'Values of the program',
    config: field.object({}),
    create: () => (Symbol.asyncIterator in values ? waitingSource(values[Symbol.asyncIterator]()) : readySource(values[Symbol.iterator]())),
  })
}

function readySource<T>(iterator: Iterator<T>): ReturnType<SourceDeclaration['create']> {
  let at = 0
  return {
    live: false,
    format: MEMORY_FORMAT,
    open: () => Promise.resolve(),
    next: bytes => {
      const lines: string[] = []
      for (let size = 0; size < bytes; ) {
        const result = iterator.next()
        if (result.done === true) break
        const line = `${JSON.stringify(result.value)}\n`
        size += line.length
        lines.push(line)
      }
      const from = at
      at += lines.length
      return Promise.resolve(lines.length === 0 ? undefined : pieceOf(lines.join(''), from, at))
    },
    close: () => Promise.resolve(),
  }
}

/** Hands out each value when it comes. A wait ends with the signal; the value that was waited for is kept for the next call. */
function waitingSource<T>(iterator: AsyncIterator<T>): ReturnType<SourceDeclaration['create']> {
  let at = 0
  let pending: Promise<IteratorResult<T>> | undefined
  return {
    live: true,
    format: MEMORY_FORMAT,
    open: () => Promise.resolve(),
    next: async (_bytes, signal) => {
      pending ??= iterator.next()
      const result = await untilAborted(pending, signal)
      if (result === undefined) return undefined
      pending = undefined
      return result.done === true ? undefined : pieceOf(`${JSON.stringify(result.value)}\n`, at, ++at)
    },
    close: async () => void (await iterator.return?.()),
  }
}

function pieceOf(text: string, from: number, position: JsonValue): Piece {
  const data = new Uint8Array(Buffer.from(text))
  return { position, from: { item: from, offset: 0 }, bytes: data.length, data }
}
