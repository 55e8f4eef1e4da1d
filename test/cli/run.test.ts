/** What a person sees of `sluice run`: texts, streams and exit codes. */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runFile } from '../../src/runtime.ts'
import { folderWith, sluice, steady } from './sluice.ts'

const EVENTS = '{"id":1,"n":5}\n{"id":2,"n":50}\nnot json\n{"id":3,"n":70}\n'
const PIPELINE = `pipeline: numbers
workers: 0
sources: { in: { file: { path: in.ndjson } } }
stages: [{ filter: event.n > 10 }]
sinks: { out: { stdout: {} } }
dead_letters: { file: { path: failed.ndjson } }
`
const FILES = { 'p.yaml': PIPELINE, 'in.ndjson': EVENTS }

test('data goes to standard output, and everything else to standard error', async t => {
  const { code, out, err } = await sluice(['run', 'p.yaml'], { folder: folderWith(t, FILES) })
  assert.equal(code, 0)
  assert.equal(out, '{"id":2,"n":50}\n{"id":3,"n":70}\n')
  assert.equal(steady(err), [
    'warning  in: 1 event to the dead letters: JSON_SYNTAX',
    'numbers  done in TIME',
    '  in            4 events, 56 B',
    '  out           2 out',
    '  filtered      1 left out or summed up by stages',
    '  dead letters  1 failed.ndjson',
    '  RATE   TIME of CPU   MEMORY   0 workers',
    '',
  ].join('\n'))
})

test('--quiet leaves the data alone, and what is a warning', async t => {
  const { out, err } = await sluice(['run', '--quiet', 'p.yaml'], { folder: folderWith(t, FILES) })
  assert.equal(out, '{"id":2,"n":50}\n{"id":3,"n":70}\n')
  assert.equal(err, 'warning  in: 1 event to the dead letters: JSON_SYNTAX\n')
  assert.equal((await sluice(['run', '--log-level', 'error', 'p.yaml'], { folder: folderWith(t, FILES) })).err, '')
})

test('with --log-format json each line of standard error is a record, up to the error that ends the run', async t => {
  const records = (err: string): Record<string, unknown>[] => err.trimEnd().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  const folder = folderWith(t, FILES)
  const well = records((await sluice(['run', 'p.yaml', '--log-format', 'json'], { folder })).err)
  assert.deepEqual(well.map(({ level, event, place, pipeline }) => [level, event, place, pipeline]), [
    ['info', 'start', undefined, 'numbers'], ['info', 'running', undefined, 'numbers'], ['warn', 'dead_letters', 'in', 'numbers'], ['info', 'stop', undefined, 'numbers'],
  ])
  assert.deepEqual([well[3]?.events_in, well[3]?.events_out, well[3]?.dead_lettered, well[3]?.stopped_by], [4, 2, 1, 'end of input'])
  const { code, err } = await sluice(['run', 'p.yaml'], { folder: folderWith(t, { ...FILES, 'p.yaml': PIPELINE.replace('in.ndjson', 'none.ndjson') }), env: { SLUICE_LOG_FORMAT: 'json', SLUICE_LOG_LEVEL: 'error' } })
  assert.equal(code, 1)
  assert.deepEqual(records(err).map(({ level, event, code: of }) => [level, event, of]), [['error', 'failed', 'FILE_MISSING']])
  const slip = records((await sluice(['run', 'no.yaml', '--log-format', 'json'], { folder })).err)
  assert.deepEqual(slip.map(({ level, event, code: of }) => [level, event, of]), [['error', 'failed', 'CLI_FILE_MISSING']])
})

test('the report accounts for every event, on standard output or in a file', async t => {
  const folder = folderWith(t, { ...FILES, 'p.yaml': PIPELINE.replace('stdout: {}', 'discard: {}') })
  const { code, out } = await sluice(['run', '-q', 'p.yaml', '--report', 'json', '--report-file', 'report.json'], { folder })
  assert.equal(code, 0)
  const report = JSON.parse(out) as Record<string, unknown>
  const fields = ['events_in', 'events_out', 'filtered', 'dead_lettered', 'bytes_in', 'bytes_out', 'seconds', 'events_per_second', 'cpu_seconds', 'peak_rss_bytes', 'stopped_by']
  for (const field of fields) assert.ok(field in report, field)
  assert.deepEqual([report.events_in, report.events_out, report.filtered, report.dead_lettered, report.stopped_by], [4, { out: 2 }, 1, 1, 'end of input'])
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')), report)
})

test('--fail-on-dead-letters exits with 3', async t => {
  const { code } = await sluice(['run', '-q', 'p.yaml', '--fail-on-dead-letters'], { folder: folderWith(t, FILES) })
  assert.equal(code, 3)
})

test('dead letters are fed back once the input was mended', async t => {
  const folder = folderWith(t, { ...FILES, 'in.ndjson': '{"id":1}\n{"id":2,"n":50}\n' })
  assert.equal((await sluice(['run', '-q', 'p.yaml'], { folder })).out, '{"id":2,"n":50}\n')
  renameSync(join(folder, 'failed.ndjson'), join(folder, 'again.ndjson'))
  writeFileSync(join(folder, 'p.yaml'), PIPELINE.replace('event.n > 10', 'event.?n.orValue(99) > 10'))
  const { code, out } = await sluice(['run', '-q', 'p.yaml', '--input-dead-letters', 'again.ndjson', '--fail-on-dead-letters'], { folder })
  assert.deepEqual({ code, out }, { code: 0, out: '{"id":1}\n' })
})

test('dead letters of other formats are fed back by the format of their source, header and all', async t => {
  const files = { 'a.csv': 'id,n\n1,x\n2,5\n', 'b.txt': 'plain words\n', 'c.ndjson': '{"n":"no"}\n' }
  const pipeline = (check: string): string =>
    `pipeline: p\nsources:\n  a: { file: { path: a.csv, options: { types: { id: integer } } } }\n  b: { file: { path: b.txt, format: lines } }\n  c: { file: { path: c.ndjson } }\nstages:\n  - validate: { rules: [{ check: '${check}', message: no number }] }\nsinks: { out: { stdout: {} } }\ndead_letters: { file: { path: failed.ndjson } }\n`
  const folder = folderWith(t, { ...files, 'p.yaml': pipeline('has(event.n) && event.n != "x" && event.n != "no"') })
  assert.equal((await sluice(['run', '-q', 'p.yaml', '--workers', '0'], { folder })).out, '{"id":2,"n":"5"}\n')
  renameSync(join(folder, 'failed.ndjson'), join(folder, 'again.ndjson'))
  writeFileSync(join(folder, 'p.yaml'), pipeline('true'))
  const { code, out } = await sluice(['run', '-q', 'p.yaml', '--input-dead-letters', 'again.ndjson', '--fail-on-dead-letters'], { folder })
  assert.deepEqual({ code, out }, { code: 0, out: '{"id":1,"n":"x"}\n{"line":"plain words"}\n{"n":"no"}\n' })
})

test('dead letters that the run itself would overwrite are not read', async t => {
  const folder = folderWith(t, FILES)
  await sluice(['run', '-q', 'p.yaml'], { folder })
  const before = readFileSync(join(folder, 'failed.ndjson'), 'utf8')
  const { code, err } = await sluice(['run', '-q', 'p.yaml', '--input-dead-letters', 'failed.ndjson'], { folder })
  assert.equal(code, 2)
  assert.match(err, /the file that it reads\. Move that file first/)
  assert.equal(readFileSync(join(folder, 'failed.ndjson'), 'utf8'), before)
})

test('a file that is begun anew behind a server is told, and one that is added to is not', async t => {
  const pipeline = (rest: string): string => `pipeline: p\nsources: { in: { http_server: { port: 0 } } }\n${rest}`
  const files = { 'a.yaml': pipeline('sinks: { out: { file: { path: o.ndjson } } }\n'), 'b.yaml': pipeline('sinks: { out: { file: { path: o.ndjson, mode: append } } }\n'), 'c.yaml': pipeline('state: s\nsinks: { out: { file: { path: o.ndjson } } }\n') }
  const folder = folderWith(t, files)
  const found = await Promise.all(Object.keys(files).map(async name => (await sluice(['check', name], { folder })).out.includes('CONFIG_REPLACES')))
  assert.deepEqual(found, [true, false, false])
})

test('progress tells how far a log is behind', async t => {
  const folder = folderWith(t, {
    'fill.yaml': 'pipeline: fill\nsources: { in: { generate: { shape: sensor, count: 3000, seed: 1 } } }\nsinks: { out: { log: { log: ./data, topic: t, create: { partitions: 1 } } } }\n',
    'read.yaml': 'pipeline: read\nsources: { in: { log: { log: ./data, topic: t, until: end } } }\nsinks: { out: { discard: {} } }\n',
  })
  assert.equal((await sluice(['run', '-q', 'fill.yaml'], { folder })).code, 0)
  const lags: (number | undefined)[] = []
  await runFile('read.yaml', { folder, workers: 0, progressInterval: 1, onProgress: ({ lag }) => lags.push(lag) })
  assert.ok(lags.every(lag => lag !== undefined && lag >= 0 && lag <= 3000))
})

test('--workers and --set go before what the pipeline says', async t => {
  const folder = folderWith(t, FILES)
  const { code, out } = await sluice(['run', '-q', 'p.yaml', '--workers', '2', '--set', 'sinks={ nothing: { discard: {} } }', '--report', 'json'], { folder })
  assert.equal(code, 0)
  const { workers, events_out } = JSON.parse(out) as { workers: number; events_out: unknown }
  assert.deepEqual({ workers, events_out }, { workers: 2, events_out: { nothing: 2 } })
})

test('a log shows plain lines and no cursor movements', async t => {
  const folder = folderWith(t, { 'p.yaml': 'pipeline: g\nsources: { in: { generate: { count: 20 } } }\nsinks: { out: { discard: {} } }\n' })
  const { err } = await sluice(['run', 'p.yaml'], { folder, env: { CI: '1' } })
  assert.doesNotMatch(err, /\u001b/)
  assert.match(err, /^g {2}done in /)
})

test('colours come only where they are asked for', async t => {
  const folder = folderWith(t, FILES)
  const [plain, colored] = await Promise.all([{}, { FORCE_COLOR: '1' }].map(env => sluice(['run', 'none.yaml'], { folder, env })))
  assert.doesNotMatch(plain?.err ?? '', /\u001b/)
  assert.match(colored?.err ?? '', /\u001b\[31merror\u001b\[39m/)
})

const ENDLESS = `pipeline: endless
workers: 0
sources: { in: { generate: { count: 0, rate: 500 } } }
sinks: { out: { stdout: {} } }
`

test('the first signal drains: what was read is written, and the exit code is 0', async t => {
  const folder = folderWith(t, { 'p.yaml': ENDLESS })
  let sent = false
  const { code, out, err } = await sluice(['run', 'p.yaml', '--report-file', 'report.json'], {
    folder,
    onOutput: (text, send) => {
      if (!sent && text.includes('"id"')) send('SIGTERM')
      sent ||= text.includes('"id"')
    },
  })
  assert.equal(code, 0)
  assert.match(err, /^Stopping \(SIGTERM\): nothing more is read, what is under way is finished\./m)
  assert.match(steady(err), /^endless {2}stopped after TIME, nothing left under way$/m)
  const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as { events_in: number; in_flight: number; stopped_by: string }
  assert.deepEqual([report.stopped_by, report.in_flight], ['signal', 0])
  assert.equal(out.trimEnd().split('\n').length, report.events_in)
})

test('a second signal stops at once and is no success', async t => {
  // A sink that never answers: the drain could not end by itself.
  const folder = folderWith(t, { 'p.yaml': `pipeline: stuck
workers: 0
sources: { in: { generate: { count: 0, rate: 500 } } }
sinks: { out: { http: { url: 'http://127.0.0.1:9/' }, retry: { attempts: 0, backoff: 10m } } }
` })
  let signals = 0
  const { code, err } = await sluice(['run', 'p.yaml', '--progress', 'lines'], {
    folder,
    onOutput: (text, send) => {
      const wanted = text.includes('Stopping (SIGINT)') ? 2 : text.includes('stuck:') ? 1 : 0
      if (signals < wanted) {
        signals = wanted
        send('SIGINT')
      }
    },
  })
  assert.equal(code, 1)
  assert.match(err, /^Stopping at once/m)
})
