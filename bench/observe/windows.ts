/**
 * The same question as `run.ts`, within one run: J1 of bench/pipelines is looked at for two seconds, left alone for two, and so on. Runs differ by a tenth on a shared machine; two windows side by
 * side meet the same pace.
 *
 *     node bench/observe/windows.ts [--pairs 15] [--events 5000000] [--out FILE]
 *
 * Looked at: metrics once a second, figures four times a second, by this process, which shares the machine's cores. Left alone: nothing is asked. Both ask for the figures at their ends, and
 * both have the admin server, whose own part `run.ts` includes.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE, inputOf } from '../pipelines/inputs.ts'

const { values } = parseArgs({ options: { pairs: { type: 'string', default: '15' }, events: { type: 'string', default: '5000000' }, out: { type: 'string' } } })
const PORT = 19_464
const WINDOW = 2000
/** Files of the input; more than are read. */
const FILES = 2000
const folder = join('/dev/shm', `sluice-windows-${process.pid}`)

interface Seen {
  readonly events_in: number
  readonly seconds: number
}

async function figures(): Promise<Seen> {
  return (await (await fetch(`http://127.0.0.1:${PORT}/v1/pipelines/watched`)).json()) as Seen // The admin server's own form.
}

/** Events a second in one window. */
async function rateOf(watched: boolean): Promise<number> {
  const before = await figures()
  const until = performance.now() + WINDOW
  for (let turn = 0; watched && performance.now() + 250 < until; turn++) {
    if (turn % 4 === 0) await (await fetch(`http://127.0.0.1:${PORT}/metrics`)).text()
    await figures()
    await sleep(250)
  }
  await sleep(Math.max(0, until - performance.now()))
  const after = await figures()
  return (after.events_in - before.events_in) / (after.seconds - before.seconds)
}

const median = (found: readonly number[]): number => found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN

mkdirSync(join(folder, 'in'), { recursive: true })
const { path } = inputOf(Number(values.events))
for (let file = 0; file < FILES; file++) symlinkSync(path, join(folder, 'in', `${file}.jsonl`))
const command = installPackage(join(CACHE, 'installed'))
const child = spawn(process.execPath, [command, 'run', join(import.meta.dirname, 'jobs/watched.yaml'), '--workers', '2', '--quiet', '--admin', String(PORT)], {
  env: { ...process.env, INPUT: join(folder, 'in'), FAILED: join(folder, 'failed') }, stdio: ['ignore', 'ignore', 'inherit'],
})
try {
  await sleep(5000)
  const pairs: { readonly alone: number; readonly watched: number; readonly slower: number }[] = []
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    const first = await rateOf(pair % 2 === 1)
    const second = await rateOf(pair % 2 === 0)
    const [alone, watched] = pair % 2 === 1 ? [second, first] : [first, second]
    pairs.push({ alone, watched, slower: 1 - watched / alone })
    console.log(JSON.stringify(pairs.at(-1)))
  }
  const result = {
    machine: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0],
    alone: median(pairs.map(({ alone }) => alone)), watched: median(pairs.map(({ watched }) => watched)), slower: median(pairs.map(({ slower }) => slower)), pairs,
  }
  const out = values.out ?? join(import.meta.dirname, 'results', `windows-${new Date().toISOString().slice(0, 10)}.json`)
  writeFileSync(out, `${JSON.stringify(result, undefined, 1)}\n`)
  console.log(`slower by ${(result.slower * 100).toFixed(1)} %\n${out}`)
} finally {
  child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
