/** Prints failed tests and the summary, and nothing of what passed. `make test` uses it. */
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { spec } from 'node:test/reporters'

/** Characters of a file's standard error that are kept for the end. */
const KEPT = 4000

async function* withoutPasses(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    if (event.type === 'test:pass' || event.type === 'test:start') continue
    yield event
  }
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const printer = new spec()
  const errors = new Map<string, string>()
  /** Files that failed as a whole, outside their tests, and how they ended. */
  const failed = new Map<string, string>()
  void (async () => {
    for await (const event of withoutPasses(events)) {
      if (event.type === 'test:stderr') errors.set(event.data.file, `${errors.get(event.data.file) ?? ''}${event.data.message}`.slice(-KEPT))
      if (event.type === 'test:fail' && event.data.file !== undefined) {
        const { exitCode, signal } = event.data.details.error as { exitCode?: number | null; signal?: string | null }
        if (exitCode !== undefined) failed.set(event.data.file, signal == null ? `status ${exitCode}` : signal)
      }
      printer.write(event)
    }
    printer.end()
  })()
  for await (const chunk of printer) yield String(chunk)
  for (const [file, how] of failed) yield `\n${relative('', file)} ended with ${how}:\n${errors.get(file) ?? '(nothing on standard error)\n'}`
}
