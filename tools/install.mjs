// Brings node_modules to what package-lock.json says, and does nothing where it is so already.
// Plain JavaScript for Node 20, because the Node that the rest of this repository needs comes by this very step.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

function packagesOf(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined
}

/** True where every package of the lock file is installed in its version; packages made for other platforms may be absent. */
function fresh() {
  const wanted = packagesOf(`${root}/package-lock.json`)
  const installed = packagesOf(`${root}/node_modules/.package-lock.json`)
  if (wanted === undefined || installed === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/') || entry.link) return true
    const found = installed[path]
    return found === undefined ? entry.optional === true : found.version === entry.version
  })
}

function npm(...args) {
  const result = spawnSync('npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, encoding: 'utf8' })
  if (result.status === 0) return
  const why = result.error?.message ?? `${result.stdout}${result.stderr}`.trim()
  console.error(`install: npm ${args.join(' ')} failed\n${why}`)
  process.exit(1)
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  console.error(`install: Node.js 20 or newer is needed to begin with, this is ${process.versions.node}`)
  process.exit(1)
}
if (!fresh()) {
  console.error('Installing packages ...')
  if (existsSync(`${root}/node_modules`)) npm('install', '--no-save')
  else npm('ci')
}
