import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SCHEMA_FILE, schemaText } from './build-schema.ts'

test('the JSON Schema in the package is the one that the declarations give; node tools/build-schema.ts writes it', () => {
  assert.ok(readFileSync(SCHEMA_FILE, 'utf8') === schemaText(), 'schema/pipeline.schema.json is out of date')
})
