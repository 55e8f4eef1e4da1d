/**
 * Sources and sinks of users live on the coordinating thread, which can't be ended: what they take too long for is told, and a `close` that never ends does not hold up the rest.
 */
import type { ComponentContext, Sink, Source } from './component.ts'

/** Milliseconds after which a call is told as slow; undefined: nobody looks. */
export type SlowAfter = number | undefined

export function watchSource(source: Source, slowAfter: SlowAfter, context: ComponentContext): Source {
  if (slowAfter === undefined) return source
  const call = told(slowAfter, context)
  return {
    live: source.live,
    format: source.format,
    get size() {
      return source.size
    },
    open: (position, committer) => call('open', source.open(position, committer)),
    ...(source.consumed === undefined ? {} : { consumed: position => source.consumed?.(position) ?? null }),
    // A live source may wait as long as it likes.
    next: (bytes, signal) => (source.live ? source.next(bytes, signal) : call('next', source.next(bytes, signal))),
    ...(source.commit === undefined ? {} : { commit: position => call('commit', Promise.resolve(source.commit?.(position))) }),
    close: () => ended(slowAfter, context, source.close()),
  }
}

export function watchSink(sink: Sink, slowAfter: SlowAfter, context: ComponentContext): Sink {
  if (slowAfter === undefined) return sink
  const call = told(slowAfter, context)
  return {
    get concurrency() {
      return sink.concurrency ?? 1
    },
    get gathers() {
      return sink.gathers ?? false
    },
    get borrows() {
      return sink.borrows ?? false
    },
    open: (mark, committer) => call('open', sink.open(mark, committer)),
    ...(sink.facts === undefined ? {} : { facts: () => sink.facts?.() ?? null }),
    write: (chunk, signal) => call('write', sink.write(chunk, signal)),
    flush: () => call('flush', sink.flush()),
    ...(sink.committed === undefined ? {} : { committed: () => call('committed', Promise.resolve(sink.committed?.())) }),
    ...(sink.cutsEvery === undefined ? {} : { cutsEvery: sink.cutsEvery }),
    close: outcome => ended(slowAfter, context, sink.close(outcome)),
  }
}

/** Tells that a call takes long, and goes on waiting for it: to call again could do the same thing twice. */
function told(slowAfter: number, context: ComponentContext): <T>(name: string, work: Promise<T>) => Promise<T> {
  return async (name, work) => {
    const over = new AbortController()
    context.sleep(slowAfter, over.signal).then(() => context.warn(`"${name}" has not come back for ${slowAfter} ms (\`stall_timeout\`); it is waited for.`, name), () => undefined)
    try {
      return await work
    } finally {
      over.abort()
    }
  }
}

/** Waits for a close, but not for ever. */
async function ended(slowAfter: number, context: ComponentContext, work: Promise<void>): Promise<void> {
  const over = new AbortController()
  const late = context.sleep(slowAfter, over.signal).then(() => context.warn(`"close" has not come back for ${slowAfter} ms (\`stall_timeout\`); it is not waited for.`, 'close'), () => new Promise<void>(() => undefined))
  try {
    await Promise.race([work, late])
  } finally {
    over.abort()
    work.catch(() => undefined)
  }
}
