/**
 * The conformance kit over the standard output, which a process has once: what the sink writes is taken out of what the test reporter writes beside it.
 *
 * The standard input is not here: a process can read it once only. Its reader is that of `exec` (files.test.ts), and test/cli feeds it.
 */
import type { TestContext } from 'node:test'
import { stdout } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent, SinkOutside } from '../../src/testing/index.ts'

type Write = typeof process.stdout.write

/** Lines of events that are written while the test runs. */
function watch(t: TestContext): SinkOutside {
  const received: OutsideEvent[] = []
  const original: Write = process.stdout.write.bind(process.stdout)
  const mock = t.mock.method(process.stdout, 'write', ((chunk: string | Uint8Array, ...rest: [((error?: Error | null) => void)?]): boolean => {
    const text = Buffer.from(chunk).toString('utf8')
    if (!text.startsWith('{"n":')) return original(chunk, ...rest)
    received.push(...text.trimEnd().split('\n').map(line => ({ value: JSON.parse(line) as JsonValue }))) // The sink writes lines of JSON.
    rest[0]?.()
    return true
  }) as Write) // One of its forms is used here: bytes and a callback.
  t.after(() => mock.mock.restore())
  return { config: {}, received: () => received }
}

const ONCE = 'a process has one standard output'

connectorConformance({
  sink: { declaration: stdout, open: watch },
  except: {
    open_close_isolated: ONCE,
    send_batch_count_isolated: ONCE,
    stream_isolated: ONCE,
    send_batch_count: 'each size asks for an output of its own, which a process does not have',
    metadata: 'a line is the value alone',
    stream_parallel_lossy_through_reconnect: 'an output that is closed is gone: the run fails',
    output_only_send_batch: 'the standard output takes all or fails',
    output_only_override: ONCE,
  },
})
