/**
 * Builds `dist/`: one JavaScript file and one declaration per source file, unbundled, with the assets beside them.
 *
 * The new folder is made aside and takes the old one's place at the end, so that a failed build leaves the old one whole.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, globSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const made = join(root, `dist.${process.pid}`)
const dist = join(root, 'dist')

/** Files that the source reads at run time. */
const ASSETS = '**/*.{wasm,json}'
/** What only tests read. */
const FIXTURES = ['**/*.fixture.json']

try {
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', made], { cwd: root, stdio: 'inherit' })
  for (const path of globSync(ASSETS, { cwd: join(root, 'src'), exclude: FIXTURES })) copyFileSync(join(root, 'src', path), join(made, path))
  rmSync(dist, { recursive: true, force: true })
  renameSync(made, dist)
} catch (error) {
  rmSync(made, { recursive: true, force: true })
  console.error(`build: failed${error instanceof Error && 'status' in error ? '' : `: ${String(error)}`}`)
  process.exitCode = 1
}
