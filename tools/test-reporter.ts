/** Prints failed tests and the summary, and nothing of what passed; at its end a line or two for each that failed, where a log that is cut off keeps them. `make test` uses it. */
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { spec } from 'node:test/reporters'

/** Characters of a file's standard error that are kept for the end. */
const KEPT = 4000
/** Characters of a line at the end. */
const LINE = 300

async function* withoutPasses(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    if (event.type === 'test:pass' || event.type === 'test:start') continue
    yield event
  }
}

/** The first and the last line of what an error says, and of what caused it. */
function told(error: unknown): string[] {
  if (!(error instanceof Error)) return error === undefined ? [] : [String(error).slice(0, LINE)]
  const lines = error.message.trim().split('\n')
  const ends = lines.length > 1 ? [lines[0], lines.at(-1)] : lines
  return [...ends.map(line => `${line}`.slice(0, LINE)), ...told(error.cause)]
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const printer = new spec()
  const errors = new Map<string, string>()
  /** Files that failed as a whole, outside their tests, and how they ended. */
  const failed = new Map<string, string>()
  const list: string[] = []
  void (async () => {
    for await (const event of withoutPasses(events)) {
      if (event.type === 'test:stderr') errors.set(event.data.file, `${errors.get(event.data.file) ?? ''}${event.data.message}`.slice(-KEPT))
      if (event.type === 'test:fail' && event.data.file !== undefined) {
        const { exitCode, signal } = event.data.details.error as { exitCode?: number | null; signal?: string | null }
        list.push([`${relative('', event.data.file)}:${event.data.line ?? 0}  ${event.data.name.slice(0, LINE)}`, ...told(event.data.details.error.cause)].join('\n    '))
        if (exitCode !== undefined) failed.set(event.data.file, signal == null ? `status ${exitCode}` : signal)
      }
      printer.write(event)
    }
    printer.end()
  })()
  for await (const chunk of printer) yield String(chunk)
  for (const [file, how] of failed) yield `\n${relative('', file)} ended with ${how}:\n${errors.get(file) ?? '(nothing on standard error)\n'}`
  if (list.length > 0) yield `\nFailed:\n  ${list.join('\n  ')}\n`
}
