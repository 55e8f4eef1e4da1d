/**
 * Holds the tests of the connectors to the registry: each code that a user of a connector can meet is named by a test that provokes it on the real server.
 *
 * A code belongs to a connector by its prefix. The log has codes for its folder and for Apache Kafka alike; those that the code for Kafka names belong here.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERRORS } from '../../src/base/index.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Connector {
  readonly prefix: string
  /** Where its tests on the real server are, and where its code is if not all codes of the prefix are its own. */
  readonly tests: string
  readonly code?: string
}

const CONNECTORS: Readonly<Record<string, Connector>> = {
  'Apache Kafka': { prefix: 'LOG', tests: 'test/kafka', code: 'src/log/kafka' },
  'S3': { prefix: 'S3', tests: 'test/s3' },
  'PostgreSQL': { prefix: 'POSTGRES', tests: 'test/postgres' },
  'Redis': { prefix: 'REDIS', tests: 'test/redis' },
  'NATS': { prefix: 'NATS', tests: 'test/nats' },
  'MQTT': { prefix: 'MQTT', tests: 'test/mqtt' },
  'AMQP': { prefix: 'AMQP', tests: 'test/amqp' },
  'HTTP': { prefix: 'HTTP', tests: 'test/http' },
}

/** The text of the files of a folder, without comments. */
function textOf(folder: string, isTest: boolean): string {
  const files = globSync('*.ts', { cwd: join(ROOT, folder) }).filter(name => name.endsWith('.test.ts') === isTest)
  return files.map(name => readFileSync(join(ROOT, folder, name), 'utf8').replaceAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')).join('\n')
}

const names = (text: string, code: string): boolean => text.includes(`'${code}'`)

for (const [name, { prefix, tests, code: own }] of Object.entries(CONNECTORS)) {
  test(`each error of ${name} is provoked on a real server`, () => {
    const code = own === undefined ? undefined : textOf(own, false)
    const codes = Object.keys(ERRORS).filter(each => each.startsWith(`${prefix}_`) && (code === undefined || names(code, each)))
    assert.ok(codes.length > 2, `the registry has no codes of ${name}`)
    const provoked = textOf(tests, true)
    assert.deepEqual(codes.filter(each => !names(provoked, each)), [])
  })
}

test('a connector with errors of its own is in the list above', () => {
  const prefixes = Object.values(CONNECTORS).map(({ prefix }) => prefix)
  const own = globSync('src/connect/*/errors.ts', { cwd: ROOT }).map(path => new Set([...readFileSync(join(ROOT, path), 'utf8').matchAll(/'([A-Z0-9]+)_(?:CONNECT|REPLY)'/g)].map(found => found[1] ?? '')))
  assert.ok(own.length >= 6)
  assert.deepEqual(own.flatMap(each => [...each]).filter(prefix => !prefixes.includes(prefix)), [])
})
