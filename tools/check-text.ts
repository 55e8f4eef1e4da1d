/**
 * Checks what no compiler looks at: file length, marks of unfinished work, switched-off checks, and text that only makes sense on one machine.
 *
 *     node tools/check-text.ts               exits 1 and names every place that breaks a rule
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const LINES_MAX = 500
/** Larger files are data. */
const BYTES_MAX = 2 ** 20

interface Rule {
  readonly why: string
  readonly pattern: RegExp
  /** Paths that the rule looks at. */
  readonly in: RegExp
}


const RULES: readonly Rule[] = [
  { why: 'says `any`: name the type, or take `unknown`', pattern: /(:|\bas|<|\bextends)\s*any\b(?!\s*[A-Za-z])/, in: /\.ts$/ },
  { why: 'switches a check off', pattern: /@ts-(ignore|nocheck|expect-error)|(eslint|oxlint)-disable/, in: /^(?!.*\.as\.ts$).*\.(ts|mts|js|mjs)$/ },
  { why: 'unfinished work: finish it, or write down in docs/ why not', pattern: /\b(TODO|FIXME|XXX)\b/, in: /\.(ts|mts|js|mjs|md|ya?ml|sh)$/ },
  { why: 'a path of one machine', pattern: /(^|[\s"'`(=])\/(work|root|home\/[a-z]+)\//, in: /./ },
  {
    why: 'names a package registry: clients know where it is',
    pattern: /registry\.(npmjs|yarnpkg)\.|npmmirror\.com|proxy\.golang\.org|files\.pythonhosted\.org|\/\/pypi\.org/,
    in: /./,
  },
  { why: 'a lock file without download addresses works with every mirror', pattern: /"resolved": "http/, in: /package-lock\.json$/ },
]

/** These two have to write what they forbid. */
const EXEMPT = /^tools\/check-text(\.test)?\.ts$/
/** Long by nature: made by programs, or data. */
const LONG = /(^|\/)(package-lock\.json|go\.sum|.*\.schema\.json|.*\.(golden\.txt|csv|ndjson|jsonl|parquet|wasm|png|svg))$|^docs\/reference\/|\/results\/|^examples\/[a-z]+\/data\//
const BINARY = /\.(wasm|parquet|gz|zst|png)$/

/** What is wrong with one file's text: `path:line  why`. */
export function problemsOf(path: string, text: string): string[] {
  const problems: string[] = []
  const lines = text.split('\n')
  if (lines.length - 1 > LINES_MAX && !LONG.test(path)) problems.push(`${path}  has ${lines.length - 1} lines, ${LINES_MAX} are the most: cut it where it changes its subject`)
  const rules = RULES.filter(rule => rule.in.test(path))
  for (const [index, line] of lines.entries()) {
    for (const rule of rules) if (rule.pattern.test(line)) problems.push(`${path}:${index + 1}  ${rule.why}`)
  }
  return problems
}

function main(): void {
  const root = join(import.meta.dirname, '..')
  const paths = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).split('\0')
  for (const path of paths.filter(path => path !== '' && !BINARY.test(path) && !EXEMPT.test(path))) {
    const stats = statSync(join(root, path), { throwIfNoEntry: false })
    if (stats === undefined || !stats.isFile() || stats.size > BYTES_MAX) continue
    for (const problem of problemsOf(path, readFileSync(join(root, path), 'utf8'))) {
      console.error(problem)
      process.exitCode = 1
    }
  }
}

if (import.meta.main) main()
