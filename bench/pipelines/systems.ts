/** The systems that run side by side, and how each is called. A system that is not installed here is left out and named. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installPackage } from '../package.ts'
import { CACHE } from './inputs.ts'
import type { Command } from './measure.ts'

export type Job = 'j1' | 'j2' | 'j3' | 'j2-module'
export const JOBS: readonly Job[] = ['j1', 'j2', 'j3', 'j2-module']

export interface Files {
  readonly input: string
  readonly lookup: string
  readonly output: string
  readonly failed: string
}

export interface System {
  readonly name: string
  readonly jobs: readonly Job[]
  /** Worker threads. */
  readonly workers: number
  /** 2: two processes at the same time, each on half of the input. */
  readonly processes: 1 | 2
  /** Which number of events it gets. */
  readonly pace: 'fast' | 'medium' | 'slow'
  command(job: Job, files: Files): Command
}

const peers = join(import.meta.dirname, 'peers')
const BENTHOS = join(CACHE, 'benthos')
const DUCKDB = join(CACHE, 'duckdb/bin/python')
const DUCKDB_VERSION = '2.0.0'

/** Where the package lies, as it is published. */
const INSTALLED = join(CACHE, 'installed')

function sluice(workers: number, processes: 1 | 2): System {
  return {
    name: 'sluice',
    jobs: JOBS,
    workers,
    processes,
    pace: 'fast',
    command: (job, { input, output, failed, lookup }) => ({
      argv: [process.execPath, join(INSTALLED, 'sluice/bin/sluice.js'), 'run', join(import.meta.dirname, `jobs/${job}.yaml`), '--workers', String(workers), '--report', 'json', '--quiet'],
      env: { INPUT: input, OUTPUT: output, FAILED: failed, LOOKUP: lookup },
    }),
  }
}

function plainNode(name: 'split2' | 'readline', processes: 1 | 2): System {
  return {
    name: `node ${name}`,
    jobs: ['j1', 'j2', 'j3'],
    workers: 1,
    processes,
    pace: 'medium',
    command: (job, { input, output, failed, lookup }) => ({ argv: [process.execPath, join(peers, `${name}.js`), job, input, output, failed, lookup] }),
  }
}

function duckdb(workers: number, job: 'light' | 'heavy'): System {
  return {
    name: 'duckdb',
    jobs: job === 'light' ? ['j1', 'j2'] : ['j3'],
    workers,
    processes: 1,
    // J3 keeps all rows in memory, because it writes two files from them.
    pace: job === 'light' ? 'fast' : 'medium',
    command: (name, { input, output, failed, lookup }) => ({ argv: [DUCKDB, join(peers, 'run_duckdb.py'), name, input, output, failed, lookup, String(workers)] }),
  }
}

function benthos(workers: number): System {
  return {
    name: 'redpanda connect core',
    jobs: ['j1', 'j2', 'j3'],
    workers,
    processes: 1,
    pace: 'slow',
    command: (job, { input, output, failed, lookup }) => {
      let config = join(peers, `benthos/${job}.yaml`)
      if (job === 'j3') {
        const whole = `${output}.config.yaml`
        writeFileSync(whole, readFileSync(config, 'utf8') + deviceCache(lookup))
        config = whole
      }
      // A larger heap before collecting: one of the settings that made it fastest here.
      const env = { INPUT: input, OUTPUT: output, FAILED: failed, THREADS: String(workers), GOMAXPROCS: String(workers), GOGC: '400' }
      return { argv: [BENTHOS, 'run', config], env }
    },
  }
}

/** The device table as a memory cache: the fastest look-up that it has for a table of this size. */
function deviceCache(lookup: string): string {
  const rows = readFileSync(lookup, 'utf8').trimEnd().split('\n').slice(1)
  const values = rows.map(row => {
    const [id, owner, region] = row.split(',')
    return `        ${id}: '${owner},${region}'`
  })
  return ['cache_resources:', '  - label: devices', '    memory:', '      default_ttl: 24h', "      compaction_interval: ''", '      init_values:', ...values, ''].join('\n')
}

export interface Choice {
  readonly systems: readonly System[]
  readonly versions: Readonly<Record<string, string>>
  /** Systems left out, and why. */
  readonly missing: readonly string[]
}

/** Sluice, built anew, and, if wanted, every peer that is or can be installed. */
export function chooseSystems(withPeers: boolean): Choice {
  installPackage(INSTALLED)
  const own = [sluice(1, 1), sluice(2, 1), sluice(1, 2)]
  const versions: Record<string, string> = { node: process.versions.node }
  if (!withPeers) return { systems: own, versions, missing: [] }
  const missing: string[] = []
  const systems = [...own, plainNode('split2', 1), plainNode('readline', 1), plainNode('split2', 2)]
  const hasDuckdb = tryTo('duckdb', missing, () => {
    if (existsSync(join(CACHE, `duckdb/${DUCKDB_VERSION}`))) return
    if (!existsSync(DUCKDB)) execFileSync('python3', ['-m', 'venv', join(CACHE, 'duckdb')], { stdio: 'pipe' })
    execFileSync(DUCKDB, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `duckdb==${DUCKDB_VERSION}`], { stdio: 'pipe' })
    writeFileSync(join(CACHE, `duckdb/${DUCKDB_VERSION}`), '')
  })
  if (hasDuckdb) {
    systems.push(duckdb(1, 'light'), duckdb(2, 'light'), duckdb(1, 'heavy'), duckdb(2, 'heavy'))
    versions['duckdb'] = DUCKDB_VERSION
  }
  const hasBenthos = tryTo('redpanda connect core', missing, () => {
    if (!existsSync(BENTHOS)) execFileSync('nice', ['go', 'build', '-p', '1', '-o', BENTHOS, '.'], { cwd: join(peers, 'benthos'), stdio: 'pipe' })
  })
  if (hasBenthos) {
    systems.push(benthos(1), benthos(2))
    versions['redpanda connect core'] = /benthos\/v4 (v[\d.]+)/.exec(readFileSync(join(peers, 'benthos/go.mod'), 'utf8'))?.[1] ?? 'unknown'
  }
  return { systems, versions, missing }
}

function tryTo(name: string, missing: string[], install: () => void): boolean {
  try {
    install()
    return true
  } catch (error) {
    missing.push(`${name}: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`)
    return false
  }
}

/** `sluice, 2 workers`. */
export function titleOf({ name, workers, processes }: System): string {
  if (processes === 2) return `${name}, 2 processes on halves`
  return name.startsWith('node ') ? name : `${name}, ${workers} ${name === 'sluice' ? 'worker' : 'thread'}${workers === 1 ? '' : 's'}`
}
