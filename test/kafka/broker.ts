/**
 * A real broker for the tests, started by `test/servers/kafka` in a folder of its own and on ports of its own.
 *
 * Where it can't be had (no Java and no right to install it, no way to Maven Central) the tests are skipped with the reason; where `CI` is set they fail instead.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '../servers/ports.ts'

const SCRIPT = join(import.meta.dirname, '../servers/kafka')
const run = promisify(execFile)

export interface Broker {
  /** `HOST:PORT` without encryption or login. */
  readonly plain: string
  /** With encryption and login, and with encryption and a certificate of the client. */
  readonly sasl: string
  readonly mutual: string
  /** Where a proxy leads to, and where it must listen: clients that come through it are told to use it for all they ask. */
  readonly behind: string
  readonly proxy: string
  /** PEM texts: the authority of the broker, another one, and what the client shows. */
  readonly ca: string
  readonly strangerCa: string
  readonly cert: string
  readonly key: string
  readonly user: string
  readonly password: string
  readonly folder: string
  /** Runs one of Kafka's own tools; answers what it prints. */
  tool(name: string, args: readonly string[], input?: string): Promise<string>
  stop(): Promise<void>
}

/** A token without a signature, as the broker of the tests takes it, for so many seconds from now on. */
export function tokenFor(user: string, seconds = 600): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const end = Math.floor(Date.now() / 1000) + seconds
  return `${part({ alg: 'none' })}.${part({ sub: user, iat: end - 600, exp: end })}.`
}

/** Ports that are free now may be taken by somebody else a moment later: then others are tried. */
const TRIES = 3

/** The broker, or why there is none. */
export async function startBroker(tries = TRIES): Promise<Broker | string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-kafka-'))
  const port = await freePorts(6)
  let printed: string
  try {
    printed = (await run(SCRIPT, ['start', folder, '--port', String(port), '--secure'])).stdout
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    if (tries > 1 && error instanceof Error && 'stderr' in error && String(error.stderr).includes('it ended while starting')) return startBroker(tries - 1)
    const reason = error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : String(error)
    if (process.env['CI'] !== undefined) throw new Error(`No broker for the tests: ${reason}`, { cause: error })
    return reason
  }
  const values = new Map(printed.trim().split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  const value = (key: string): string => values.get(key) ?? ''
  const file = (key: string): Promise<string> => readFile(value(key), 'utf8')
  // Also where the tests end in an unusual way.
  const stopNow = (): void => void spawnSync(SCRIPT, ['stop', folder])
  process.once('exit', stopNow)
  return {
    plain: value('bootstrap'), sasl: value('sasl'), mutual: value('mutual'), user: value('user'), password: value('password'), behind: value('behind'), proxy: value('proxy'), folder,
    ca: await file('ca'), strangerCa: await file('stranger_ca'), cert: await file('cert'), key: await file('key'),
    async tool(name, args, input) {
      const running = run(SCRIPT, ['tool', name, ...args], { maxBuffer: 64 << 20 })
      running.child.stdin?.end(input ?? '')
      return (await running).stdout
    },
    async stop() {
      await run(SCRIPT, ['stop', folder])
      process.removeListener('exit', stopNow)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
