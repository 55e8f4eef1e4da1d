/**
 * Writes `schema/pipeline.schema.json`, which editors complete and check pipelines with.
 *
 *     node tools/build-schema.ts             writes it
 *     node tools/build-schema.ts --check     exits 1 where it is out of date
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pipelineSchema } from '../src/pipeline/index.ts'
import { registry } from '../src/registry.ts'

export const SCHEMA_FILE = join(import.meta.dirname, '../schema/pipeline.schema.json')

/** The file's text as it should be. */
export function schemaText(): string {
  return `${JSON.stringify(pipelineSchema(registry), null, 1)}\n`
}

function current(): string | undefined {
  try {
    return readFileSync(SCHEMA_FILE, 'utf8')
  } catch {
    return undefined
  }
}

function main(): void {
  const text = schemaText()
  if (text === current()) return
  if (process.argv.includes('--check')) {
    console.error('schema/pipeline.schema.json is out of date: run node tools/build-schema.ts')
    process.exitCode = 1
    return
  }
  mkdirSync(dirname(SCHEMA_FILE), { recursive: true })
  writeFileSync(SCHEMA_FILE, text)
}

if (import.meta.main) main()
