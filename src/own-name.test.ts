import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { defineStage } from './engine/index.ts'
import { answerToOwnName } from './own-name.ts'

test('a module outside any node_modules that imports sluice gets the one that runs it', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-own-name-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'stage.ts'), "import { defineStage } from 'sluice/engine'\nexport const made: unknown = defineStage\n")
  await assert.rejects(import(join(folder, 'stage.ts')), /sluice/)
  answerToOwnName()
  answerToOwnName()
  writeFileSync(join(folder, 'again.ts'), "import { defineStage } from 'sluice/engine'\nexport const made: unknown = defineStage\n")
  const { made } = (await import(join(folder, 'again.ts'))) as { made: unknown } // Just written.
  assert.equal(made, defineStage)
})

test('every door of the package is known by its name', async () => {
  const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { exports: Record<string, unknown> } // Our own file.
  answerToOwnName()
  for (const door of Object.keys(exports).filter(name => !name.endsWith('.json'))) {
    const name = `sluice${door.slice(1)}`
    assert.match(import.meta.resolve(name), /src\/.*index\.ts$/, name)
  }
})
