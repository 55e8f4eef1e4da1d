/**
 * A real service for the tests, started by the script of its name in this folder, in a folder and on ports of its own.
 *
 * Where it can't be had (no right to install it) the tests are skipped with the reason; where `CI` is set they fail instead.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from './ports.ts'

const run = promisify(execFile)

export interface Service {
  /** What the script printed: `url`, `user`, `password` and others. */
  value(key: string): string
  readonly folder: string
  /** Starts it again on the same ports with the same data. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
  /** Lets its process stand still, or go on. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Lets it read its settings again. */
  reload(): Promise<void>
  /** Runs another command of its script; answers what it prints. */
  run(...args: readonly string[]): Promise<string>
  /** Ends it for good. */
  dispose(): Promise<void>
}

export interface ServiceOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Ports in a row that it takes. */
  readonly ports?: number
  /** Where its data shall lie instead of in its own folder: a small volume that a test fills. */
  readonly data?: string
}

/** Status of a script that says what must be installed first. */
const MISSING = 3

/** The service, or why there is none. Where it does not start, other ports are tried: between a look at a port and its use another test may have taken it. */
export async function startService(name: string, options: ServiceOptions = {}): Promise<Service | string> {
  let reason = ''
  for (let attempt = 1; attempt <= 3; attempt++) {
    try {
      return await startOnce(name, options)
    } catch (error) {
      const { stderr, code } = error as { stderr?: unknown; code?: unknown }
      reason = typeof stderr === 'string' ? stderr.trim() : String(error)
      if (code === MISSING) break
      console.error(`${name} did not start: ${reason}`)
    }
  }
  if (process.env['CI'] !== undefined) throw new Error(`No ${name} for the tests: ${reason}`)
  return reason
}

async function startOnce(name: string, { args = [], env = {}, ports = 1, data }: ServiceOptions): Promise<Service> {
  const script = join(import.meta.dirname, name)
  const folder = await mkdtemp(join(tmpdir(), `sluice-${name}-`))
  if (data !== undefined) await symlink(data, join(folder, 'data'))
  const command = ['start', folder, '--port', String(await freePorts(ports)), ...args]
  const start = async (): Promise<string> => (await run(script, command, { env: { ...process.env, ...env } })).stdout
  const stop = async (): Promise<void> => void (await run(script, ['stop', folder]))
  const signal = async (name: NodeJS.Signals): Promise<void> => void process.kill(Number(await readFile(join(folder, 'pid'), 'utf8')), name)
  // Also where the tests end in an unusual way.
  const stopNow = (): void => void spawnSync(script, ['stop', folder])
  const printed = await start().catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  process.once('exit', stopNow)
  const values = new Map(printed.trim().split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  return {
    value: key => values.get(key) ?? '',
    folder,
    start: async () => void (await start()),
    stop,
    kill: async () => {
      await signal('SIGKILL')
      await stop()
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    reload: () => signal('SIGHUP'),
    run: async (...args) => (await run(script, args)).stdout,
    dispose: async () => {
      await stop()
      process.removeListener('exit', stopNow)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
