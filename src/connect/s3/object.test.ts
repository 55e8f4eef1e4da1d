import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { AtOnce } from './at-once.ts'
import { MappedMemory } from './mapped-bytes.ts'
import { S3Object } from './object.ts'
import type { Packing } from './packing.ts'
import type { S3Store } from './store.ts'
import { Uploads } from './uploads.ts'

/** An object whose packing does with each member what is said; members are four bytes. */
function objectOf(add: Packing['add']): { readonly object: S3Object; readonly uploads: Uploads; readonly stored: string[] } {
  const stored: string[] = []
  const uploads = new Uploads(2)
  const store = {
    begin: () => Promise.resolve('upload'),
    part: (_key: string, _upload: string, number: number, body: Uint8Array) => {
      stored.push(Buffer.from(body).toString())
      return Promise.resolve({ number, tag: String(number) })
    },
  } as unknown as S3Store // What an object asks of it.
  const object = new S3Object('key', 0, {
    store, uploads, keeping: { contentType: 'text/plain', storageClass: undefined, encryption: undefined, kmsKey: undefined, tags: {} }, memberMax: () => Infinity, packers: new AtOnce(4), partSize: 8,
    packing: () => ({ member: 4, ahead: 2, add, finish: () => Promise.resolve(Buffer.from('end')) }), head: new Uint8Array(), hashes: false, spare: [], parts: new MappedMemory(),
  })
  return { object, uploads, stored }
}

test('an object is its members in their order, and its end', async () => {
  const { object, uploads, stored } = objectOf(async lines => {
    const bytes = Buffer.from(lines)
    await new Promise(resolve => setTimeout(resolve, bytes.includes('a') ? 20 : 0))
    return bytes
  })
  for (const text of ['aaaa', 'bbbb', 'cccc', 'dd']) await object.add(Buffer.from(text), 1)
  await object.seal(false, 0)
  await uploads.settle()
  assert.equal(stored.join(''), 'aaaabbbbccccddend')
  const { events, bytes, parts } = await object.sealed()
  assert.deepEqual([events, bytes, parts.map(({ number }) => number)], [4, 17, [1, 2]])
})

test('an object that can\'t be packed to its end is never taken for a whole one', async () => {
  const failure = new SluiceError('WORKER_CRASHED', 'too little memory', { stops: true })
  const { object, uploads } = objectOf(lines => (lines.includes(0x62) ? Promise.reject(failure) : Promise.resolve(Buffer.from(lines))))
  await object.add(Buffer.from('aaaa'), 1)
  await object.add(Buffer.from('bbbb'), 1)
  await assert.rejects(object.seal(false, 0), failure)
  await uploads.settle()
  await assert.rejects(object.sealed(), { code: 'INTERNAL', stops: true })
})
