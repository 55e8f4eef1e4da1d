/** A pipeline that is tapped at every place gives the same bytes as one that is not: through columns and objects, on one thread and on several. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { RunControl } from '../../src/engine/index.ts'
import type { Report } from '../../src/engine/index.ts'
import { runFile } from '../../src/runtime.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-taps-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const COUNT = 20_000
const line = (n: number): string => (n % 997 === 0 ? `{"n":${n}` : `{"n": ${n}, "k": "k${n % 13}", "card": "4111${n}", "deep": {"list": [${n}, "\\u00e9"]}, "big": 12345678901234567890}`)
writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: COUNT }, (_, n) => `${line(n)}\n`).join(''))

const PIPELINE = `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages:
  - { id: some, filter: event.n % 7 != 3 }
  - { id: more, set: { twice: event.n * 2 } }
  - { id: hidden, mask: { fields: card, how: keep_last } }
  - { id: ways, route: { outputs: { low: event.n < 5000, odd: event.n % 2 == 1 } } }
  - { id: once, dedupe: event.k + string(event.n % 100), from: [ways] }
sinks:
  out: { file: { path: out.ndjson }, from: [once] }
  low: { file: { path: low.ndjson }, from: [ways.low, ways.odd] }
  each: { file: { path: 'each/{event.k}-{event.twice > 20000}.ndjson' }, from: [hidden] }
dead_letters: { file: { path: failed.ndjson } }
batch: { bytes: 16KiB }
`
writeFileSync(join(folder, 'p.yaml'), PIPELINE)

const PLACES = [['in', 'after'], ['some', 'before'], ['some', 'after'], ['hidden', 'after'], ['ways', 'after'], ['once', 'after'], ['low', 'before'], ['each', 'before']] as const

interface Ran {
  readonly files: readonly string[]
  readonly counts: readonly unknown[]
  readonly seen: string
}

/** `tapped`: so that every place is looked at from the first event on. */
async function run(workers: number, tapped: boolean): Promise<Ran> {
  for (const name of ['out.ndjson', 'low.ndjson', 'failed.ndjson', 'each']) rmSync(join(folder, name), { recursive: true, force: true })
  const control = new RunControl()
  let seen = ''
  if (tapped) {
    control.pause()
    const opening = setInterval(() => {
      if (control.figures === undefined) return
      clearInterval(opening)
      for (const [component, side] of PLACES) {
        control.taps.open({ component, side, rate: 1000 }, {
          sample: text => {
            seen += `${text}\n`
            return true
          },
          moved: () => undefined,
          end: () => undefined,
        })
      }
      control.resume()
    }, 1)
  }
  const report: Report = await runFile(join(folder, 'p.yaml'), { folder, workers, control })
  const text = (name: string): string => readFileSync(join(folder, `${name}.ndjson`), 'utf8')
  const letters = text('failed').split('\n').filter(letter => letter !== '').map(letter => (JSON.parse(letter) as { readonly original: string }).original)
  const each = readdirSync(join(folder, 'each')).toSorted().map(name => `${name}\n${readFileSync(join(folder, 'each', name), 'utf8')}`)
  return { files: [text('out'), text('low'), letters.join('\n'), ...each], counts: [report.events_in, report.events_out, report.filtered, report.dead_lettered, report.in_flight], seen }
}

for (const workers of [0, 2]) {
  test(`with ${workers} workers nothing comes out otherwise where it is looked at`, async () => {
    const plain = await run(workers, false)
    const tapped = await run(workers, true)
    assert.deepEqual(tapped.counts, plain.counts)
    assert.deepEqual(tapped.files, plain.files)
    for (const [component, side] of PLACES) assert.match(tapped.seen, new RegExp(`^\\{"component":"${component}","side":"${side}"`, 'm'))
    assert.match(tapped.seen, /"card":"\*\*\*"/)
    // A card begins with a quote; a time or a number may hold 4111 too.
    assert.doesNotMatch(tapped.seen, /"4111|\*\*\*\d/)
  })
}
