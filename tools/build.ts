/**
 * Builds `dist/`: declarations, one per source file, and JavaScript in few large files, with the assets beside them. Few, because finding, reading and linking each
 * file of hundreds was half of the time until the first event.
 *
 * The new folder is made aside and takes the old one's place at the end, so that a failed build leaves the old one whole.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, renameSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const made = join(root, `dist.${process.pid}`)
const compiled = join(made, 'compiled')
const dist = join(root, 'dist')

/** Files that the source reads at run time. */
const ASSETS = '**/*.{wasm,json}'
/** What only tests read. */
const FIXTURES = ['**/*.fixture.json']
/** Modules that are loaded by their path: the doors of the package, the command, and what runs on threads. */
const ENTRIES = [
  'index', 'engine/index', 'expr/index', 'event/index', 'pipeline/index', 'log/index', 'testing/index', 'cli/main', 'worker', 'log/embedded/storage-main', 'connect/s3/parquet-main', 'testing/ends',
]

/** Puts the compiled modules together. A module goes on finding what lies beside its source: its own address stays that of its source. */
async function bundle(): Promise<void> {
  const bundled = await rolldown({
    input: Object.fromEntries(ENTRIES.map(name => [name, join(compiled, `${name}.js`)])),
    platform: 'node',
    external: id => !id.startsWith('.') && !id.startsWith('/'),
    plugins: [{
      name: 'addresses',
      transform(code, id) {
        if (!code.includes('import.meta.url')) return null
        const address = `(import.meta.url.slice(0, import.meta.url.lastIndexOf('/dist/') + 6) + ${JSON.stringify(relative(compiled, id))})`
        let text = code
        for (const { start, end } of addressesIn(this.parse(code)).toSorted((a, b) => b.start - a.start)) text = text.slice(0, start) + address + text.slice(end)
        return { code: text, map: null }
      },
    }],
  })
  await bundled.write({ dir: made, format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js', minify: false, comments: false })
  await bundled.close()
}

/** Where `import.meta.url` is asked for; what stands in texts is left alone. */
function addressesIn(node: unknown): { readonly start: number; readonly end: number }[] {
  if (typeof node !== 'object' || node === null) return []
  if ('type' in node && node.type === 'MemberExpression' && 'object' in node && isMeta(node.object) && 'property' in node && isUrl(node.property) && 'start' in node && 'end' in node) {
    return [{ start: Number(node.start), end: Number(node.end) }]
  }
  return Object.values(node).flatMap(addressesIn)
}

const isMeta = (node: unknown): boolean => typeof node === 'object' && node !== null && 'type' in node && node.type === 'MetaProperty'
const isUrl = (node: unknown): boolean => typeof node === 'object' && node !== null && 'name' in node && node.name === 'url'

const copy = (pattern: string, from: string, exclude: readonly string[] = []): void => {
  for (const path of globSync(pattern, { cwd: from, exclude })) cpSync(join(from, path), join(made, path))
}

try {
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', compiled], { cwd: root, stdio: 'inherit' })
  await bundle()
  copy('**/*.d.ts', compiled)
  copy(ASSETS, join(root, 'src'), FIXTURES)
  rmSync(compiled, { recursive: true })
  rmSync(dist, { recursive: true, force: true })
  renameSync(made, dist)
} catch (error) {
  rmSync(made, { recursive: true, force: true })
  console.error(`build: failed${error instanceof Error && 'status' in error ? '' : `: ${String(error)}`}`)
  process.exitCode = 1
}
