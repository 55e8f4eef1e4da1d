/** The conformance kit over what reads and writes files and makes events up. */
import { gzipSync } from 'node:zlib'
import { exec, fileSink, fileSource, generate } from '../../src/connect/index.ts'
import { testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent, SourceSubject } from '../../src/testing/index.ts'
import { eventsIn, folderOf, join, linesOf, numbered, writeFileSync } from './outsides.ts'

const NO_CONNECTION = 'a file has no connection to cut'

connectorConformance({
  source: {
    declaration: fileSource,
    open: (t, count) => {
      const path = join(folderOf(t), 'in.ndjson')
      const events = numbered(count)
      // It must be there when the source is opened, also without events.
      writeFileSync(path, '')
      return { config: { path }, events, put: () => writeFileSync(path, linesOf(events)) }
    },
  },
  except: { metadata: 'lines of a file have neither key nor headers', stream_parallel_lossy_through_reconnect: NO_CONNECTION },
})

connectorConformance({
  source: {
    declaration: fileSource,
    open: (t, count) => {
      const folder = folderOf(t)
      const events = numbered(count)
      const third = Math.ceil(count / 3)
      const path = (at: number): string => join(folder, `in-${at}.csv.gz`)
      const csv = (from: number): string => `n,text\n${events.slice(from, from + third).map(({ value }) => {
        const { n, text } = value as { readonly n: number; readonly text: string } // Made by `numbered`.
        return `${n},"${text.replaceAll('"', '""')}"\n`
      }).join('')}`
      for (const at of [0, 1, 2]) writeFileSync(path(at), gzipSync('n,text\n'))
      return {
        config: { path: join(folder, 'in-*.csv.gz'), options: { types: { n: 'number' } } },
        events,
        put: () => {
          for (const at of [0, 1, 2]) writeFileSync(path(at), gzipSync(csv(at * third)))
        },
      }
    },
  },
  except: { metadata: 'lines of a file have neither key nor headers', stream_parallel_lossy_through_reconnect: NO_CONNECTION },
})

const followed: SourceSubject = {
  declaration: fileSource,
  open: (t, count) => {
    const path = join(folderOf(t), 'in.ndjson')
    const events = numbered(count)
    return { config: { path, follow: true }, events, put: () => writeFileSync(path, linesOf(events)) }
  },
}
connectorConformance({ source: followed, except: { metadata: 'lines of a file have neither key nor headers', stream_parallel_lossy_through_reconnect: NO_CONNECTION } })

connectorConformance({
  source: {
    declaration: exec,
    open: (t, count) => {
      const path = join(folderOf(t), 'in.ndjson')
      const events = numbered(count)
      writeFileSync(path, linesOf(events))
      return { config: ['cat', path], events, put: () => undefined }
    },
  },
  except: { metadata: 'lines of a command have neither key nor headers', stream_parallel_lossy_through_reconnect: 'a pipe that is cut is gone: the run fails' },
})

/** What it makes when it is asked for all at once. */
async function generated(count: number): Promise<OutsideEvent[]> {
  const context = testContext()
  const source = generate.create(prepareConfig(generate.config, { shape: 'sensor', count, seed: 5 }, context), context)
  await source.open(undefined)
  const piece = await source.next(1 << 20, context.signal)
  return Buffer.from(piece?.data ?? []).toString('utf8').split('\n').filter(line => line !== '').map(line => ({ value: JSON.parse(line) as JsonValue })) // Each line is the JSON of an event.
}

connectorConformance({
  source: {
    declaration: generate,
    open: async (_t, count) => ({ config: { shape: 'sensor', count, seed: 5 }, events: await generated(count), put: () => undefined }),
  },
  except: { metadata: 'made-up events have neither key nor headers', stream_parallel_lossy_through_reconnect: 'nothing outside is read' },
})

connectorConformance({
  sink: {
    declaration: fileSink,
    open: t => {
      const folder = folderOf(t)
      const path = join(folder, 'out.ndjson')
      return {
        config: { path },
        received: () => eventsIn(path),
        targets: { config: { path: join(folder, '{event.group}.ndjson') }, received: group => eventsIn(join(folder, `${group}.ndjson`)) },
      }
    },
  },
  except: {
    metadata: 'a line of a file is the value alone',
    stream_parallel_lossy_through_reconnect: NO_CONNECTION,
    output_only_send_batch: 'a file takes all or fails',
  },
})
