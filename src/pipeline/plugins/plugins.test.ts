/** What a person reads when a plug-in is wrong, and what of a pipeline goes on in spite of it. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { renderDiagnostics } from '../diagnostic.ts'
import { loadPipeline } from '../load.ts'
import type { LoadResult } from '../load.ts'
import { registry } from '../testing.ts'
import { withPlugins } from './plugins.ts'

const REST = 'sources: { in: { file: { path: in.ndjson } } }\nsinks: { out: discard }\n'
const STAGE = "{ kind: 'stage', type: 'mine', summary: 'Mine', config: { type: 'object', properties: {} }, create: () => ({ process() {} }) }"

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-plugins-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

/** The pipeline with these plug-ins, in a folder of its own. */
async function load(t: TestContext, plugins: string, files: Readonly<Record<string, string>> = {}, rest = REST): Promise<LoadResult & { readonly told: string }> {
  const folder = folderWith(t, { 'p.yaml': `plugins: ${plugins}\n${rest}`, ...files })
  const result = await loadPipeline('p.yaml', registry, { workingFolder: folder })
  return { ...result, told: renderDiagnostics(result.diagnostics).replaceAll(folder, 'FOLDER') }
}

test('a file and a package are found from the folder of the pipeline, and from that of an included file', async t => {
  const package1 = { 'sub/node_modules/acme/package.json': '{ "name": "acme", "version": "1.0.0", "type": "module", "exports": { "import": "./a.js" }, "peerDependencies": { "sluice": ">=0.1" } }' }
  const files = { ...package1, 'sub/node_modules/acme/a.js': `export default [${STAGE.replace("'mine'", "'acme_mine'")}]`, 'sub/part.yaml': 'plugins: [acme, ../one.ts]\n', 'one.ts': `export const one = ${STAGE}` }
  const { told, config, registry: known } = await load(t, './one.ts', files, `include: sub/part.yaml\nstages: [mine, acme_mine]\n${REST}`)
  assert.equal(told, '')
  assert.deepEqual(config?.stages.map(({ type }) => type), ['mine', 'acme_mine'])
  assert.deepEqual(config?.plugins?.map(({ name }) => name), ['acme', '../one.ts'])
  assert.equal(known.stage('mine')?.summary, 'Mine')
  assert.equal((await withPlugins(registry, config?.plugins)).stage('acme_mine')?.summary, 'Mine')
})

test('a file that is not there is told at its place, with the name that may have been meant', async t => {
  const { told, config } = await load(t, '[./one]', { 'one.ts': `export const one = ${STAGE}` })
  assert.equal(config, undefined)
  assert.equal(told, [
    'p.yaml:1:11  PLUGIN_LOAD',
    '   1 | plugins: [./one]',
    '     |           ~~~~~',
    '  ./one is not there: FOLDER/one was looked for. Did you mean "./one.ts"?',
    '',
  ].join('\n'))
})

test('a package that is not installed is told with how to install it', async t => {
  const { told } = await load(t, '[acme-nowhere]')
  assert.match(told, /PLUGIN_LOAD\n.*\n.*~+\n {2}There is no package "acme-nowhere" to be found from FOLDER\. Install it there: npm install acme-nowhere/)
  assert.match((await load(t, 'one.ts', { 'one.ts': '' })).told, /There is a file of that name: write "\.\/one\.ts"\./)
})

test('what a module throws when it is loaded is told with the line in the module', async t => {
  const { told } = await load(t, '[./bad.ts]', { 'bad.ts': "const a: number = 1\n\nthrow new Error(`no luck ${a}`)\n" })
  assert.match(told, /\.\/bad\.ts can't be loaded: no luck 1 \(FOLDER\/bad\.ts:3:7\)/)
  assert.match((await load(t, '[./enum.ts]', { 'enum.ts': 'enum A { B }\nexport default A' })).told, /enum\.ts can't be loaded: .*enum.* \(FOLDER\/enum\.ts:1\)/)
  assert.match((await load(t, '[./lost.ts]', { 'lost.ts': "import 'nowhere-to-be-found'" })).told, /lost\.ts can't be loaded: Cannot find package 'nowhere-to-be-found'/)
})

test('a module without declarations is told with what it exports', async t => {
  const fails = async (source: string, wanted: RegExp): Promise<void> => assert.match((await load(t, '[./x.ts]', { 'x.ts': source })).told, wanted)
  await fails('export const a = 1\nexport default () => 1', /PLUGIN_EXPORTS[^]*exports "a" \(number\), by default \(function\), but no source, stage, sink, format or function\. A function over values is run by the stage `module`/)
  await fails('export {}', /exports nothing, but no/)
  await fails(`export default [${STAGE}, 5]`, /item 2 of its default export is not what a define call returns\./)
  await fails("export const a = { kind: 'stag' }", /"a" is of the kind "stag", which does not exist\. Did you mean "stage"\?/)
  await fails("export const a = { kind: 'stage' }", /"a" has no "type"\. Make it with defineStage/)
  await fails("export const a = { kind: 'sink', type: 'x', summary: 's', config: {}, create() {} }", /"a" \(sink "x"\) has no function "encoding"\. Make it with defineSink/)
  await fails("export const a = { kind: 'codec', type: 'x', summary: 's', config: {} }", /can neither read nor write/)
  await fails(`export const a = ${STAGE.replace("'mine'", "'My Stage'")}`, /"My Stage"\) is no name for a type/)
  await fails(`export const a = ${STAGE.replace("'mine'", "'from'")}`, /can't be a type: the word has a meaning of its own/)
})

test('a name that Sluice or another plug-in has is told with who has it', async t => {
  const filter = `export const a = ${STAGE.replace("'mine'", "'filter'")}`
  assert.match((await load(t, '[./x.ts]', { 'x.ts': filter })).told, /PLUGIN_NAME_TAKEN[^]*x\.ts brings a stage "filter", which Sluice itself has already\. Give it another name, such as "acme_filter"\./)
  const { told, registry: known } = await load(t, '[./x.ts, ./y.ts]', { 'x.ts': `export const a = ${STAGE}`, 'y.ts': `export const b = ${STAGE.replace("'Mine'", "'Other'")}` })
  assert.match(told, /y\.ts brings a stage "mine", which \.\/x\.ts has already\./)
  assert.equal(known.stage('mine')?.summary, 'Mine')
  const size = "export const f = { kind: 'function', type: 'size', summary: 's', parameters: [], arity: [0, 0], style: 'global', call() {} }"
  assert.match((await load(t, '[./f.ts]', { 'f.ts': size })).told, /brings a function "size", which Sluice itself has already\. Give it another name, such as "acme\.size"\./)
})

test('a package that was made for another version of Sluice is told with both', async t => {
  const files = (range: string) => ({ 'node_modules/acme/package.json': JSON.stringify({ name: 'acme', version: '3.1.0', type: 'module', main: 'a.js', peerDependencies: { sluice: range } }), 'node_modules/acme/a.js': `export const a = ${STAGE}` })
  assert.match((await load(t, '[acme]', files('^99.0.0'))).told, /PLUGIN_VERSION[^]*acme 3\.1\.0 was made for sluice \^99\.0\.0; this is sluice \d+\.\d+\.\d+/)
  assert.match((await load(t, '[acme]', files('newest'))).told, /asks for sluice "newest" in its package\.json, which is no range of versions/)
})

test('what is no name of a plug-in is told with what is wanted', async t => {
  assert.match((await load(t, '[{ a: 1 }, ""]')).told, /"plugins" must be a list of paths and names of packages, not a map\.[^]*not ""/)
})

test('a file that has changed is loaded anew in the same process', async t => {
  const folder = folderWith(t, { 'p.yaml': `plugins: [./x.ts]\n${REST}`, 'x.ts': `export const a = ${STAGE}` })
  const again = (): Promise<LoadResult> => loadPipeline('p.yaml', registry, { workingFolder: folder })
  const before = await again()
  assert.equal(before.registry.stage('mine')?.summary, 'Mine')
  writeFileSync(join(folder, 'x.ts'), `export const a = ${STAGE.replace("'Mine'", "'New'")}`)
  const after = await again()
  assert.equal(after.registry.stage('mine')?.summary, 'New')
  assert.notDeepEqual(after.config?.plugins, before.config?.plugins)
  // A worker must not run another text than the others.
  await assert.rejects(withPlugins(registry, before.config?.plugins), { code: 'PLUGIN_LOAD', message: /has changed since the pipeline was loaded/ })
})
