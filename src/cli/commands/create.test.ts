import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as yaml from 'yaml'
import { defineSink, defineSource, defineStage, field } from '../../engine/index.ts'
import type { Registry, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../../engine/index.ts'
import { UsageError } from '../failure.ts'
import { createPipeline, yamlWriter } from './create.ts'

const never = (): never => assert.fail('create makes no component')
const file = defineSource({ type: 'file', summary: 'Read files', config: field.object({ path: field.path({ description: 'File or pattern.' }), format: field.choice(['auto', 'csv'], { default: 'auto' }) }), create: never })
const filter = defineStage({ type: 'filter', summary: 'Keep some events', shorthand: 'condition', config: field.object({ condition: field.expression({ expect: 'bool', description: 'Which ones' }) }), create: never, examples: [{ title: 'One', config: 'event.a > 1' }] })
const route = defineStage({ type: 'route', summary: 'Send events different ways', config: field.object({ to: field.record(field.expression()) }), create: never, outputs: config => Object.keys(config.to ?? {}), examples: [{ title: 'Two', config: { to: { late: 'event.late', rest: 'true' } } }] })
const discard = defineSink({ type: 'discard', summary: 'Count only', durable: 'write', config: field.object({ slow: field.optional(field.duration({ description: 'Wait at each write' })) }), encoding: never, create: never })

const sources: readonly SourceDeclaration[] = [file]
const stages: readonly StageDeclaration[] = [filter, route]
const sinks: readonly SinkDeclaration[] = [discard]
const registry: Registry = {
  source: type => sources.find(one => one.type === type),
  stage: type => stages.find(one => one.type === type),
  sink: type => sinks.find(one => one.type === type),
  codec: () => undefined,
  all: kind => (kind === 'source' ? sources : kind === 'stage' ? stages : kind === 'sink' ? sinks : []),
}
const create = (shape: string): string => createPipeline(shape, registry, yamlWriter(yaml), 'schema.json')

test('a new pipeline holds what is needed, and in comments what is possible', () => {
  assert.equal(create('file/filter/discard').split('# Threads')[0], `# yaml-language-server: $schema=schema.json
# Fields in comments are optional and show their default or an example.
pipeline: file-to-discard

sources:
  # Read files
  in:
    file:
      # File or pattern (path)
      path: data/file
      # auto | csv
      #format: auto

stages:
  # Keep some events
  - id: filter
    filter:
      # Which ones (expression)
      condition: event.a > 1

sinks:
  # Count only
  out:
    discard: {}
      # Wait at each write (duration such as 10s)
      #slow: 10s

`)
})

test('components of one type get ids of their own, and named outputs are taken', () => {
  assert.deepEqual(yaml.parse(create('file,file/filter,filter,route/discard,discard')), {
    pipeline: 'file-to-discard',
    sources: { in: { file: { path: 'data/file' } }, 'in-2': { file: { path: 'data/file' } } },
    stages: [{ id: 'filter', filter: { condition: 'event.a > 1' } }, { id: 'filter-2', filter: { condition: 'event.a > 1' } }, { id: 'route', route: { to: { late: 'event.late', rest: 'true' } } }],
    sinks: { out: { from: ['route.late', 'route.rest'], discard: {} }, 'out-2': { from: ['route.late', 'route.rest'], discard: {} } },
  })
})

test('a stage after one with named outputs takes them too', () => {
  assert.deepEqual((yaml.parse(create('file/route,filter/discard')) as { stages: unknown[] }).stages[1], { id: 'filter', from: ['route.late', 'route.rest'], filter: { condition: 'event.a > 1' } })
})

test('stages may be left out', () => {
  assert.equal((yaml.parse(create('file//discard')) as { stages?: unknown }).stages, undefined)
})

test('slips are told with what may have been meant', () => {
  const refused = (shape: string): UsageError => {
    try {
      create(shape)
    } catch (error) {
      if (error instanceof UsageError) return error
    }
    return assert.fail(`${shape} was accepted`)
  }
  assert.equal(refused('file/fliter/discard').suggestion, 'Did you mean "filter"?')
  assert.equal(refused('file/discard').code, 'CLI_USAGE')
  assert.equal(refused('/filter/discard').message, 'A pipeline needs at least one source and one sink.')
  assert.equal(refused('file//kafka').suggestion, 'See sluice list sinks.')
})
