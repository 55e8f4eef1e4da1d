/** Runs `sluice` in a process of its own, which is killed without warning at a moment that the test chooses. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

const BIN = resolve(import.meta.dirname, '../../bin/sluice.js')

export interface Killing {
  readonly workers?: number
  /** Further flags. */
  readonly args?: readonly string[]
  /** Kills the process once this file has so many bytes. */
  readonly at?: { readonly path: string; readonly bytes: number } | undefined
  /** Standard input. */
  readonly input?: string
  /** Is told of the process when it has started. */
  readonly started?: (child: ChildProcess) => void
  /** Is told what the process says on standard error. */
  readonly said?: (text: string) => void
}

/** Runs to the end, or to the kill: then the answer is null. Throws what the run says where it fails. */
export function runKilled(pipeline: string, { workers = 0, args = [], at, input, started, said }: Killing = {}): Promise<number | null> {
  const child = spawn(process.execPath, [BIN, 'run', pipeline, '--workers', String(workers), ...args, ...(said === undefined ? ['--quiet'] : [])], { stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr?.on('data', (data: Buffer) => {
    errors += data.toString()
    said?.(data.toString())
  })
  // Whoever is killed does not read to the end.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input)
  started?.(child)
  const watch = at === undefined ? undefined : setInterval(() => {
    if (sizeOf(at.path) >= at.bytes) child.kill('SIGKILL')
  }, 1)
  return new Promise((done, fail) => {
    child.on('exit', code => {
      clearInterval(watch)
      if (code !== 0 && code !== null) fail(new Error(`exit code ${code}: ${errors}`))
      else done(code)
    })
  })
}

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Dead letters without the moment they were written and the name of the run. */
export function lettersIn(path: string): unknown[] {
  return linesOf(path).map(line => {
    const { time: _time, pipeline: _pipeline, ...rest } = JSON.parse(line) as Record<string, unknown>
    return rest
  })
}

export function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').filter(line => line !== '')
}

/** Kills the run at several lengths of a file, at other numbers of workers each time, then lets it run to its end. Answers how many runs were caught alive. */
export async function killAgainAndAgain(pipeline: string, path: string, total: number, shares: readonly (readonly [number, number])[]): Promise<number> {
  let kills = 0
  for (const [share, workers] of shares) if ((await runKilled(pipeline, { workers, at: { path, bytes: Math.floor(total * share) } })) === null) kills++
  await runKilled(pipeline, { workers: 2 })
  return kills
}

export const inFolder = (folder: string) => (name: string): string => join(folder, name)
