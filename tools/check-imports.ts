/**
 * Checks that imports go downhill: a file takes from its own room and from rooms below it, through the other room's door.
 *
 * Think hard before changing this file: the order of the rooms is the order in which the code can be understood.
 *
 *     node tools/check-imports.ts            exits 1 and names every import that breaks a rule
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/** From top to bottom. Files at the root of `src/` stand between `cli` and the rest. */
const ROOMS = ['cli', 'testing', 'ROOT', 'connect', 'stages', 'pipeline', 'engine', 'log', 'expr', 'event', 'observe', 'platform', 'base']
/** Rooms on one height that must not know each other. */
const STRANGERS = new Set(['connect stages', 'stages connect'])
/** Doors besides `<room>/index.ts`: parts of a room that are large enough to be entered by themselves, or that few need. */
const SIDE_DOORS = new Set(['event/json/index.ts', 'event/kernel/index.ts', 'platform/simulated-files.ts'])
/** What reaches the outside world. Only the rooms named may import it, so that tests can drive, break and replay everything else. */
const OUTSIDE = /^(node:)?(fs|fs\/promises|net|http|https|http2|tls|dgram|dns|child_process|worker_threads|cluster|timers|timers\/promises)$/
const OUTSIDE_ROOMS = new Set(['platform', 'connect', 'cli', 'testing'])

export interface Import {
  readonly line: number
  readonly specifier: string
  /** True for `import type`: it leaves no trace at run time. */
  readonly typeOnly: boolean
}

/** The imports, re-exports and dynamic imports of a source text. Comments are left out; a specifier is always a literal. */
export function importsOf(source: string): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, comment => comment.replace(/[^\n]/g, ' '))
  const found: Import[] = []
  const pattern = /^\s*(import|export)(\s+type)?\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/gm
  for (const match of code.matchAll(pattern)) {
    const specifier = match[3] ?? match[4] ?? ''
    const line = code.slice(0, match.index + match[0].indexOf(specifier)).split('\n').length
    found.push({ line, specifier, typeOnly: match[2] !== undefined })
  }
  return found
}

/** The room of a path below `src/`; `ROOT` for a file at its root. */
function roomOf(path: string): string {
  const slash = path.indexOf('/')
  return slash === -1 ? 'ROOT' : path.slice(0, slash)
}

/** Why a file may not import something, or undefined where it may. Paths are below `src/`. */
export function objection(from: string, { specifier, typeOnly }: Import, exempt: ReadonlySet<string> = EXEMPT): string | undefined {
  const isTest = /\.(test|testing|fixture)\.ts$|(^|\/)testing\.ts$/.test(from)
  const room = roomOf(from)
  if (!specifier.startsWith('.')) {
    if (isTest || typeOnly || !OUTSIDE.test(specifier) || OUTSIDE_ROOMS.has(room) || exempt.has(`${from} ${specifier}`)) return undefined
    return `${specifier} reaches the outside world, which only ${[...OUTSIDE_ROOMS].join(', ')} may: go through platform/`
  }
  const target = normalize(join(dirname(from), specifier))
  if (target.startsWith('..')) return target === '../package.json' || isTest ? undefined : 'a source file imports from src/ only'
  if (!target.endsWith('.ts') && !target.endsWith('.json')) return 'the path must end in .ts'
  const other = roomOf(target)
  if (other === room) return undefined
  const height = ROOMS.indexOf(room)
  const otherHeight = ROOMS.indexOf(other)
  if (height === -1) return `${room} is no room: name it in tools/check-imports.ts and in ARCHITECTURE.md`
  if (otherHeight === -1) return `${other} is no room`
  if (otherHeight < height) return `${room} lies below ${other}: imports go downhill only`
  if (STRANGERS.has(`${room} ${other}`)) return `${room} and ${other} do not know each other`
  const isDoor = other === 'ROOT' || target === `${other}/index.ts` || SIDE_DOORS.has(target)
  if (!isDoor && !isTest) return `${target} is inside the room ${other}: import ${other}/index.ts`
  return undefined
}

/** File and module that break a rule for a reason; `import type` and tests need none. */
const EXEMPT: ReadonlySet<string> = new Set([
  // The engine owns its threads: how they are made and fed is its very subject.
  'engine/links.ts node:worker_threads',
  'engine/serve.ts node:worker_threads',
  'worker.ts node:worker_threads',
  // The storage of a log may have a thread of its own.
  'log/embedded/storage-thread.ts node:worker_threads',
  'log/embedded/storage-main.ts node:worker_threads',
  // Row groups of Parquet are made beside the thread that coordinates a run.
  'connect/s3/parquet-threads.ts node:worker_threads',
  'connect/s3/parquet-main.ts node:worker_threads',
])

function main(): void {
  const root = join(import.meta.dirname, '..')
  const source = join(root, 'src')
  let problems = 0
  for (const path of globSync('**/*.ts', { cwd: source }).sort()) {
    if (path.endsWith('.as.ts')) continue
    for (const entry of importsOf(readFileSync(join(source, path), 'utf8'))) {
      const why = objection(path, entry)
      if (why === undefined) continue
      problems++
      console.error(`${relative(root, join(source, path))}:${entry.line}  ${entry.specifier}: ${why}`)
    }
  }
  if (problems > 0) process.exitCode = 1
}

if (import.meta.main) main()
