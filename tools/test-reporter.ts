/** Prints failed tests and the summary, and nothing of what passed. `make test` uses it. */
import type { TestEvent } from 'node:test/reporters'
import { spec } from 'node:test/reporters'

async function* withoutPasses(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    if (event.type === 'test:pass' || event.type === 'test:start') continue
    yield event
  }
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const printer = new spec()
  void (async () => {
    for await (const event of withoutPasses(events)) printer.write(event)
    printer.end()
  })()
  for await (const chunk of printer) yield String(chunk)
}
