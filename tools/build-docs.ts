/**
 * Writes the pages that are made from the code: the reference of components, errors and commands, and the benchmark table of the README.
 *
 *     node tools/build-docs.ts            writes them
 *     node tools/build-docs.ts --check    exits 1 and names those that are out of date
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { registry } from '../src/registry.ts'
import { withBatchExample } from './docs/batch-example.ts'
import { withBenchmarkTable } from './docs/benchmark-table.ts'
import { withCheckpointExample } from './docs/checkpoint-example.ts'
import { cliPage } from './docs/cli-page.ts'
import { componentPage } from './docs/component-page.ts'
import { configPage } from './docs/config-page.ts'
import { errorsPage } from './docs/errors-page.ts'
import { metricsPage } from './docs/metrics-page.ts'

const root = join(import.meta.dirname, '..')
const KINDS = [
  { kind: 'source', folder: 'sources' },
  { kind: 'stage', folder: 'stages' },
  { kind: 'sink', folder: 'sinks' },
  { kind: 'codec', folder: 'formats' },
] as const

/** All generated pages by path. */
export async function generatedPages(): Promise<Map<string, string>> {
  const pages = new Map<string, string>()
  for (const { kind, folder } of KINDS) {
    for (const declaration of registry.all(kind)) pages.set(`docs/reference/${folder}/${declaration.type}.md`, componentPage(declaration))
  }
  pages.set('docs/reference/README.md', indexPage())
  pages.set('docs/reference/config.md', configPage())
  pages.set('docs/reference/errors.md', errorsPage())
  pages.set('docs/reference/metrics.md', metricsPage())
  pages.set('docs/reference/cli.md', await cliPage())
  pages.set('README.md', withBenchmarkTable(readFileSync(join(root, 'README.md'), 'utf8'), root))
  const checkpoints = 'docs/formats/checkpoint.md'
  pages.set(checkpoints, withCheckpointExample(readFileSync(join(root, checkpoints), 'utf8')))
  const batches = 'docs/formats/record-batch.md'
  pages.set(batches, withBatchExample(readFileSync(join(root, batches), 'utf8')))
  return pages
}

function indexPage(): string {
  const lists = KINDS.map(({ kind, folder }) => {
    const rows = registry.all(kind).map(({ type, summary }) => `| [${type}](${folder}/${type}.md) | ${summary} |`)
    return `## ${folder[0]?.toUpperCase()}${folder.slice(1)}\n\n| name | what it does |\n| --- | --- |\n${rows.join('\n')}`
  })
  const pages = '- [A pipeline, field by field](config.md)\n- [Expressions: CEL](cel.md)\n- [The command](cli.md)\n- [Errors](errors.md)\n- [Metrics](metrics.md)'
  return `# Reference\n\nThe pages of components, commands and errors are made from the code (\`make docs\`).\n\n${pages}\n\n${lists.join('\n\n')}\n`
}

/** Pages that no component stands behind any more. */
function orphans(pages: ReadonlyMap<string, string>): string[] {
  return globSync('docs/reference/{sources,stages,sinks,formats}/*.md', { cwd: root }).filter(path => !pages.has(path))
}

/** Generated pages that differ from what lies in the checkout. */
export async function outdatedPages(): Promise<string[]> {
  const pages = await generatedPages()
  const changed = [...pages].filter(([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text).map(([path]) => path)
  return [...changed, ...orphans(pages)]
}

async function main(): Promise<void> {
  if (process.argv.includes('--check')) {
    for (const path of await outdatedPages()) {
      console.error(`${path}  is out of date: run make docs`)
      process.exitCode = 1
    }
    return
  }
  const pages = await generatedPages()
  for (const [path, text] of pages) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const path of orphans(pages)) rmSync(join(root, path))
}

if (import.meta.main) await main()
