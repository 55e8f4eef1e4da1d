import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { renderDiagnostics } from '../diagnostic.ts'
import { loadPipeline } from '../load.ts'
import { registry } from '../testing.ts'
import { loadModulePipeline } from './build.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-modules-'))
after(() => rmSync(folder, { recursive: true }))

const DOOR = new URL('../index.ts', import.meta.url).href

function write(name: string, body: string): string {
  writeFileSync(join(folder, name), `import { collect, items, pipeline } from ${JSON.stringify(DOOR)}\n${body}`)
  return join(folder, name)
}

test('a module that exports a pipeline is loaded like a file', async () => {
  const path = write('good.ts', `export default pipeline('good', { memory: '1MiB' }).from(items([1, 2])).filter((n: number) => n > 1).to(collect([]))\n`)
  const loaded = await loadPipeline('good.ts', registry, { workingFolder: folder, overrides: { workers: '0' } })
  assert.equal(renderDiagnostics(loaded.diagnostics), '')
  assert.deepEqual([loaded.module, loaded.config?.name, loaded.config?.folder, loaded.config?.memory, loaded.config?.workers], [path, 'good', folder, 2 ** 20, 0])
  // A worker that imports the module finds every type of the config.
  const again = await loadModulePipeline(path, registry)
  assert.deepEqual(again.config.stages.map(stage => again.registry.stage(stage.type)?.kind), ['stage'])
})

test('a module without a pipeline, and one that throws, are told', async () => {
  const told = async (name: string, body: string): Promise<string> => {
    write(name, body)
    const { config, diagnostics } = await loadPipeline(name, registry, { workingFolder: folder })
    assert.equal(config, undefined)
    return renderDiagnostics(diagnostics).replaceAll(folder, 'FOLDER')
  }
  assert.equal(await told('none.ts', 'export default 5\n'), "none.ts:1:1  MODULE_FAILED\n  FOLDER/none.ts must export a pipeline by default: export default pipeline('name').from(...)...to(...)\n")
  assert.equal(await told('throws.ts', "throw new Error('no luck')\n"), "none.ts:1:1  MODULE_FAILED\n  FOLDER/none.ts can't be loaded: no luck\n".replaceAll('none', 'throws'))
})

test('what is wrong in a pipeline of a module is thrown with all problems where no diagnostics are asked for', async () => {
  const path = write('wrong.ts', `export default pipeline('wrong', { memory: 'plenty', stop_timeout: 'soon' }).from(items([1])).to(collect([]))\n`)
  await assert.rejects(loadModulePipeline(path, registry), (error: unknown) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'CONFIG_VALUE')
    assert.match(error.message, /^The pipeline has 2 errors:/)
    return true
  })
})
