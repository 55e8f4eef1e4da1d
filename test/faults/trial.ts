/** A pipeline in a folder of its own, run by the real command, whose account is checked when it ends. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** SLUICE_MINUTES=10 keeps up for so long what lasts seconds else: a network that goes wrong, a server that is slow. Undefined where nothing is said. */
export const MINUTES: number | undefined = process.env['SLUICE_MINUTES'] === undefined ? undefined : Number(process.env['SLUICE_MINUTES'])

const BIN = resolve(import.meta.dirname, '../../bin/sluice.js')

/** What of the report is looked at. */
export interface Account {
  readonly events_in: number
  readonly created: number
  readonly events_out: Readonly<Record<string, number>>
  readonly filtered: number
  readonly dead_lettered: number
  readonly in_flight: number
  readonly retries: number
  readonly peak_rss_bytes: number
  readonly stopped_by: string
  readonly bottleneck?: string
}

export interface DeadLetter {
  readonly code: string
  readonly reason: string
  readonly original: string
  readonly stage: string
  readonly position: { readonly path: string; readonly offset: number }
  readonly attempts?: number
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Standard error. */
  readonly err: string
}

export class Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  #err = ''
  #waiting: (() => void)[] = []

  constructor(child: ChildProcess) {
    this.child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text
      this.#wake()
    })
    this.ended = new Promise((done, fail) => {
      child.on('error', fail)
      child.on('close', (code, signal) => {
        done({ code, signal, err: this.#err })
        this.#wake()
      })
    })
  }

  get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Standard error so far. */
  get err(): string {
    return this.#err
  }

  /** Until it says this on standard error; false where it ends before. */
  async says(what: RegExp): Promise<boolean> {
    while (!what.test(this.#err)) {
      if (this.isOver) return what.test(this.#err)
      await new Promise<void>(woken => this.#waiting.push(woken))
    }
    return true
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }
}

export class Trial {
  readonly folder: string
  readonly #started: Started[] = []

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `sluice-faults-${name}-`))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** In one step: a run that begins or looks at it meanwhile finds one text or the other. */
  write(name: string, text: string): void {
    const path = this.path(name)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }

  /** A file with `{"n":0}`, `{"n":1}` and so on, with a text behind each that makes it as long as wanted. */
  numbers(name: string, count: number, filler = ''): void {
    const rest = filler === '' ? '' : `,"filler":"${filler}"`
    this.write(name, Array.from({ length: count }, (_, n) => `{"n":${n}${rest}}\n`).join(''))
  }

  start(args: readonly string[] = ['p.yaml'], environment: Readonly<Record<string, string>> = {}): Started {
    const options = ['--progress', 'none', '--report-file', this.path('report.json')]
    const started = new Started(spawn(process.execPath, [BIN, 'run', ...args, ...options], { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } }))
    this.#started.push(started)
    return started
  }

  /** Runs to the end, which must be a good one, and answers the account, which must balance. */
  async run(args?: readonly string[]): Promise<Account> {
    const { code, err } = await this.start(args).ended
    assert.equal(code, 0, err)
    return this.account()
  }

  /** The last report. Fails where what went in is not what came out. */
  account(): Account {
    const account = JSON.parse(readFileSync(this.path('report.json'), 'utf8')) as Account // Written by the command.
    const out = Object.values(account.events_out).reduce((sum, count) => sum + count, 0)
    assert.equal(out + account.filtered + account.dead_lettered + account.in_flight, account.events_in + account.created, 'in = out + filtered + dead letters + in flight')
    return account
  }

  lines(name: string): string[] {
    if (!existsSync(this.path(name))) return []
    return readFileSync(this.path(name), 'utf8').split('\n').filter(line => line !== '')
  }

  /** What stands in `n`, line by line. */
  numbersIn(name: string): number[] {
    return this.lines(name).map(line => (JSON.parse(line) as { readonly n: number }).n)
  }

  letters(name = 'failed.ndjson'): DeadLetter[] {
    return this.lines(name).map(line => JSON.parse(line) as DeadLetter)
  }

  /** With what still runs, where a test failed. */
  remove(): void {
    for (const run of this.#started) if (!run.isOver) run.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** Looks again and again until it holds. Throws what the run says where that ends before. */
export async function until(holds: () => boolean, run?: Started): Promise<void> {
  while (!holds()) {
    if (run?.isOver === true) throw new Error(`The run ended too early: ${run.err}`)
    await new Promise(done => setTimeout(done, 5))
  }
}
