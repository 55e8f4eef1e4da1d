import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly hasInstallScript?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const { packages } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8')) as { packages: Readonly<Record<string, Locked>> } // Written by npm.

test('no package runs a script when it is installed', () => {
  for (const [path, entry] of Object.entries(packages)) assert.equal(entry.hasInstallScript, undefined, path)
})

test('no package has a download address: the lock file works with every mirror', () => {
  for (const [path, entry] of Object.entries(packages)) if (entry.link !== true) assert.equal(entry.resolved, undefined, path)
})

test('packages for other platforms are listed too', () => {
  // A mirror that lacked some of them once made npm leave them out, and `npm ci` then refused the lock file in every fresh clone.
  for (const [path, entry] of Object.entries(packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const found = packages[`${path}/node_modules/${name}`] ?? packages[`node_modules/${name}`]
      assert.notEqual(found?.version, undefined, `${path} names ${name}`)
    }
  }
})
