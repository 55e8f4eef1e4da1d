/** Lines in files that are named by templates: each is in its file, in order, whatever the number of workers, and whether the columns or the objects brought it there. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runFile } from '../../src/runtime.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-targets-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const COUNT = 20_000

/** Mostly what columns can do; some lines are not JSON, some can only be read by the object path, some have no target. */
function line(n: number): string {
  if (n % 997 === 0) return `{"n":${n}`
  if (n % 89 === 0) return `{"n":${n}}`
  if (n % 31 === 0) return `{"n":${n},"\\u006b":"k${n % 13}"}`
  return `{"n":${n},"k":"k${n % 13}","fill":"${'x'.repeat(n % 50)}"}`
}

writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: COUNT }, (_, n) => `${line(n)}\n`).join(''))

const PIPELINE = `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages:
  - { id: some, filter: event.n % 7 != 3 }
  - { id: half, set: { half: event.n / 2 } }
sinks:
  few: { file: { path: 'few/{event.half >= 5000}.ndjson' }, from: [half] }
  many: { file: { path: 'many/{event.k}-{event.n % 5}.ndjson' }, from: [some] }
dead_letters: { file: { path: failed.ndjson } }
batch: { bytes: 64KiB }
`
writeFileSync(join(folder, 'p.yaml'), PIPELINE)

type Files = Readonly<Record<string, readonly string[]>>

/** The lines that stay, by what a function says of their events; those of which it says nothing are left out. */
function sorted(targetOf: (event: { readonly n: number; readonly k?: string }) => string | undefined, change: (line: string, n: number) => string): Files {
  const files: Record<string, string[]> = {}
  for (let n = 0; n < COUNT; n++) {
    if (n % 997 === 0 || n % 7 === 3) continue
    const target = targetOf(JSON.parse(line(n)) as { n: number; k?: string }) // Made above.
    if (target !== undefined) (files[`${target}.ndjson`] ??= []).push(change(line(n), n))
  }
  return files
}

const FEW = sorted(({ n }) => String(n / 2 >= 5000), (text, n) => `${text.slice(0, -1)},"half":${n / 2}}`)
const MANY = sorted(({ n, k }) => (k === undefined ? undefined : `${k}-${n % 5}`), text => text)

for (const workers of [0, 1, 2]) {
  for (const ordered of [true, false]) {
    test(`each line is in its file with ${workers} workers${ordered ? '' : ', in any order'}`, async () => {
      for (const name of ['few', 'many', 'failed.ndjson']) rmSync(join(folder, name), { recursive: true, force: true })
      writeFileSync(join(folder, 'p.yaml'), ordered ? PIPELINE : `${PIPELINE}ordered: false\n`)
      const { dead_lettered, in_flight, filtered } = await runFile(join(folder, 'p.yaml'), { folder, workers })
      const files = (name: string): Files => Object.fromEntries(readdirSync(join(folder, name)).map(file => [file, readFileSync(join(folder, name, file), 'utf8').trimEnd().split('\n')]))
      const likeOrder = (of: Files): Files => (ordered ? of : Object.fromEntries(Object.entries(of).map(([name, lines]) => [name, lines.toSorted()])))
      assert.deepEqual([likeOrder(files('few')), likeOrder(files('many'))], [likeOrder(FEW), likeOrder(MANY)])
      const numbers = Array.from({ length: COUNT }, (_, n) => n)
      const [broken, without] = [numbers.filter(n => n % 997 === 0), numbers.filter(n => n % 89 === 0 && n % 997 !== 0 && n % 7 !== 3)]
      assert.deepEqual([dead_lettered, in_flight, filtered], [broken.length + without.length, 0, numbers.filter(n => n % 7 === 3 && n % 997 !== 0).length])
    })
  }
}
