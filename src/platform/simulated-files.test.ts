import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { systemFiles } from './files.ts'
import type { Files } from './files.ts'
import { failCall, failSync, fullAt, plans, readOnly, shortWrite, SimulatedFiles, stopAt } from './simulated-files.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array | undefined): string | undefined => (data === undefined ? undefined : new TextDecoder().decode(data))
const coded = (code: string) => (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === code

/** A file with `first` on disk. */
async function withFile(files: SimulatedFiles, first = 'first') {
  await files.makeFolder('/log')
  const file = await files.open('/log/a', true)
  await file.write(bytes(first), 0)
  await file.sync()
  await files.syncFolder('/log')
  await files.syncFolder('/')
  return file
}

/** What `read` gives over many seeds of a cut at the end of the trace. */
async function outcomes(files: SimulatedFiles, path: string, after = files.trace.length): Promise<Set<string | undefined>> {
  const found = new Set<string | undefined>()
  for (let seed = 0; seed < 200; seed++) found.add(text(await files.cut(after, seed).readFile(path)))
  return found
}

test('what was written and synced, with its name, is there after every power cut', async () => {
  const files = new SimulatedFiles()
  await withFile(files)
  assert.deepEqual(await outcomes(files, '/log/a'), new Set(['first']))
})

test('a file that was synced is gone with its name where the folder was not synced', async () => {
  const files = new SimulatedFiles()
  await files.makeFolder('/log')
  await files.syncFolder('/')
  const file = await files.open('/log/a', true)
  await file.write(bytes('x'), 0)
  await file.sync()
  assert.deepEqual(await outcomes(files, '/log/a'), new Set([undefined, 'x']))
})

test('what was not synced may be there, be lost, or be torn at sectors', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files, '')
  await file.write(new Uint8Array(1024).fill(65), 0)
  const lengths = [...await outcomes(files, '/log/a')].map(found => found?.replaceAll('A', '').length === 0 ? found.length : found?.length ?? -1)
  assert.ok(lengths.includes(0) && lengths.includes(512) && lengths.includes(1024), `${lengths}`)
  const second = [...await outcomes(files, '/log/a')].some(found => found?.startsWith('\0') === true && found.endsWith('A'))
  assert.ok(second, 'the second sector without the first')
})

test('a rename that was not made durable shows the old file or the new one, whole', async () => {
  const files = new SimulatedFiles()
  await withFile(files, 'old')
  const next = await files.open('/log/a.tmp', true)
  await next.write(bytes('new'), 0)
  await next.sync()
  await files.rename('/log/a.tmp', '/log/a')
  assert.deepEqual(await outcomes(files, '/log/a'), new Set(['old', 'new']))
  await files.syncFolder('/log')
  assert.deepEqual(await outcomes(files, '/log/a'), new Set(['new']))
})

test('a rename of a file that was not synced may leave an empty file', async () => {
  const files = new SimulatedFiles()
  await withFile(files, 'old')
  const next = await files.open('/log/a.tmp', true)
  await next.write(bytes('new'), 0)
  await files.rename('/log/a.tmp', '/log/a')
  await files.syncFolder('/log')
  assert.ok((await outcomes(files, '/log/a')).has(''))
})

test('a sync covers what was finished before it was called', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files)
  const sync = file.sync()
  await file.write(bytes('later'), 0)
  await sync
  assert.ok((await outcomes(files, '/log/a')).has('first'))
})

test('after a failed sync the data is lost at the power cut, though a later sync succeeds', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files)
  files.failures = failSync(1)
  await file.write(bytes('later'), 0)
  await assert.rejects(file.sync(), coded('EIO'))
  await file.sync()
  assert.equal(text(await files.readFile('/log/a')), 'later')
  assert.ok((await outcomes(files, '/log/a')).has('first'))
  assert.equal(text(await files.afterKill().readFile('/log/a')), 'later')
})

test('a full volume takes what fits, says ENOSPC, and takes more when there is room again', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files, '12345')
  files.failures = fullAt(8)
  await assert.rejects(file.write(bytes('abcdef'), 5), coded('ENOSPC'))
  assert.equal(text(await files.readFile('/log/a')), '12345abc')
  await file.truncate(5)
  await file.write(bytes('xyz'), 5)
  assert.equal(text(await files.readFile('/log/a')), '12345xyz')
})

test('a read-only volume lets nothing change and everything be read', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files)
  files.failures = readOnly()
  await assert.rejects(file.write(bytes('x'), 0), coded('EROFS'))
  await assert.rejects(files.open('/log/new', true), coded('EROFS'))
  await assert.rejects(files.rename('/log/a', '/log/b'), coded('EROFS'))
  await assert.rejects(files.remove('/log/a'), coded('EROFS'))
  assert.equal(text(await files.readFile('/log/a')), 'first')
})

test('a short write does its part and fails; the calls before and after it are untouched', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files)
  files.failures = plans(shortWrite(2, 3), failCall(1, { kinds: ['readFile'] }))
  await file.write(bytes('aaaaa'), 0)
  await assert.rejects(file.write(bytes('bbbbb'), 0), coded('EIO'))
  await assert.rejects(files.readFile('/log/a'), coded('EIO'))
  assert.equal(text(await files.readFile('/log/a')), 'bbbaa')
})

test('after a stop nothing returns, and a new process finds what was written', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files)
  await file.write(bytes('FIRST'), 0)
  files.failures = stopAt(1)
  let returned = false
  void file.write(bytes('never'), 0).then(() => { returned = true })
  void files.readFile('/log/a').then(() => { returned = true })
  assert.equal(text(await files.afterKill().readFile('/log/a')), 'FIRST')
  assert.equal(returned, false)
})

test('the files of a system and the simulated ones answer the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-files-'))
  const code = (error: unknown): unknown => (error instanceof Error && 'code' in error ? String(error.code).replace('ERR_FS_', '') : error)
  const answers = async (files: Files, root: string): Promise<unknown[]> => {
    const found: unknown[] = []
    const note = async (work: Promise<unknown>): Promise<void> => {
      found.push(await work.then(value => (value instanceof Uint8Array ? text(value) : Array.isArray(value) ? value : typeof value === 'object' ? 'handle' : value), code))
    }
    await note(files.makeFolder(`${root}/a/b`))
    await note(files.makeFolder(`${root}/a/b`))
    await note(files.readFile(`${root}/none`))
    await note(files.open(`${root}/none`, false))
    await note(files.open(`${root}/none/a`, true))
    await note(files.rename(`${root}/none`, `${root}/b`))
    await note(files.remove(`${root}/none`))
    await note(files.remove(`${root}/a`))
    await note(files.removeFolder(`${root}/a`))
    await note(files.removeFolder(`${root}/none`))
    await note(files.syncFolder(`${root}/a`))
    await note(files.syncFolder(`${root}/none`))
    const file = await files.open(`${root}/a/f`, true)
    await note(file.write(bytes('abc'), 2))
    await note(files.readFile(`${root}/a/f`))
    await note(file.truncate(4))
    await note(file.size())
    await note(file.read(new Uint8Array(9), 0, 9, 1))
    await note(file.read(new Uint8Array(9), 0, 9, 20))
    await note(files.rename(`${root}/a/f`, `${root}/a/g`))
    await note(file.sync())
    await note(files.readFile(`${root}/a/g`))
    await note(files.remove(`${root}/a/g`))
    await note(files.list(`${root}/a`))
    await note(files.removeFolder(`${root}/a/b`))
    await note(files.list(`${root}/none`))
    await note(file.size())
    await note(file.close())
    return found
  }
  try {
    assert.deepEqual(await answers(new SimulatedFiles(), ''), await answers(systemFiles, folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('random work on one file reads back as a plain array would, and every cut lies between what was synced and what was written', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), position: fc.integer({ min: 0, max: 1500 }), length: fc.integer({ min: 1, max: 900 }), value: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('truncate' as const), length: fc.integer({ min: 0, max: 2000 }) }),
    fc.constant({ kind: 'sync' as const }),
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer(), async (steps, seed) => {
    const files = new SimulatedFiles({ seed })
    const file = await withFile(files, '')
    let model: number[] = []
    /** Values that each byte had since the last sync; 0 where it was a hole. */
    let legal: Set<number>[] = []
    const note = (): void => model.forEach((value, index) => (legal[index] ??= new Set([0])).add(value))
    for (const one of steps) {
      if (one.kind === 'sync') {
        await file.sync()
        legal = model.map(value => new Set([value]))
      } else if (one.kind === 'truncate') {
        await file.truncate(one.length)
        model = Array.from({ length: one.length }, (_, index) => model[index] ?? 0)
      } else {
        await file.write(new Uint8Array(one.length).fill(one.value), one.position)
        const end = one.position + one.length
        model = Array.from({ length: Math.max(model.length, end) }, (_, index) => (index >= one.position && index < end ? one.value : model[index] ?? 0))
      }
      note()
    }
    assert.deepEqual([...await files.readFile('/log/a') ?? []], model)
    const after = [...await files.cut(files.trace.length, seed).readFile('/log/a') ?? []]
    const synced = steps.at(-1)?.kind === 'sync'
    if (synced) assert.deepEqual(after, model)
    after.forEach((value, index) => assert.ok(value === 0 || legal[index]?.has(value) === true, `byte ${index} is ${value}`))
  }), { numRuns: 200 })
})

test('one seed gives one course of events and one outcome of a cut', async () => {
  const run = async (): Promise<unknown> => {
    const files = new SimulatedFiles({ seed: 9 })
    const file = await withFile(files)
    await Promise.all([1, 2, 3, 4].map(value => file.write(new Uint8Array(700).fill(value), value * 300)))
    return [files.trace, await files.cut(files.trace.length, 5).readFile('/log/a')]
  }
  assert.deepEqual(await run(), await run())
})

test('cuts along a trace do not disturb each other, forward or back', async () => {
  const files = new SimulatedFiles()
  const file = await withFile(files)
  await file.write(bytes('again'), 0)
  await file.sync()
  assert.deepEqual(await outcomes(files, '/log/a'), new Set(['again']))
  assert.deepEqual(await outcomes(files, '/log/a', 6), new Set(['first']))
  assert.deepEqual(await outcomes(files, '/log/a'), new Set(['again']))
  assert.deepEqual(await outcomes(files, '/log/a', 0), new Set([undefined]))
})

test('a write keeps what it was given, whatever its caller does with the array afterwards', async () => {
  const files = new SimulatedFiles({ seed: 1 })
  const file = await files.open('/a', true)
  await files.syncFolder('/')
  const bytes = Buffer.from('first')
  await file.write(bytes, 0)
  bytes.fill('x')
  await file.sync()
  assert.equal(Buffer.from((await files.cut(files.trace.length, 0).readFile('/a')) ?? []).toString(), 'first')
})
