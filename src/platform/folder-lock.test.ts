import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockFolder, putAway } from './folder-lock.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
})
after(() => rmSync(folder, { recursive: true }))

function newFolder(name: string): string {
  mkdirSync(join(folder, name))
  return join(folder, name)
}

test('a folder that is locked is refused, in the same process too', async () => {
  const path = newFolder('same')
  const lock = await lockFolder(path)
  await assert.rejects(lockFolder(path), { code: 'STATE_LOCKED', message: /in use by another pipeline of this process/ })
  assert.deepEqual(readdirSync(path), ['lock'])
  await lock.release()
  assert.deepEqual(readdirSync(path), [])
  await (await lockFolder(path)).release()
})

test('a lock of another process that lives is kept, and named', async () => {
  const path = newFolder('other')
  const mine = newFolder('mine')
  const lock = await lockFolder(mine)
  // What this process writes for itself is what another one that lives would have written.
  writeFileSync(join(path, 'lock'), readFileSync(join(mine, 'lock')))
  await assert.rejects(lockFolder(path), { code: 'STATE_LOCKED', message: new RegExp(`in use by process ${process.pid}`) })
  assert.ok(existsSync(join(path, 'lock')))
  await lock.release()
})

test('a lock of a process that is gone is taken over, also where its number was given to another', async () => {
  const path = newFolder('gone')
  for (const text of ['999999999 1', `${process.pid} 1`, '', 'no lock at all']) {
    writeFileSync(join(path, 'lock'), text)
    await (await lockFolder(path)).release()
    assert.deepEqual(readdirSync(path), [], text)
  }
})

test('a lock that was taken away in error is put back', async () => {
  const path = join(newFolder('error'), 'lock')
  writeFileSync(path, 'made meanwhile')
  await putAway(path, '999999999 1', `${path}.away`)
  assert.equal(readFileSync(path, 'utf8'), 'made meanwhile')
  await putAway(path, 'made meanwhile', `${path}.away`)
  assert.equal(existsSync(path), false)
})

test('of several processes that want a folder with a stale lock, one gets it', async () => {
  const path = newFolder('many')
  const program = `
    const { lockFolder } = await import(${JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href)})
    await new Promise(resolve => process.stdin.once('data', resolve))
    console.log(await lockFolder(${JSON.stringify(path)}).then(() => 'got', error => error.code))
    await new Promise(resolve => process.stdin.once('end', resolve))
  `
  for (let round = 0; round < 3; round++) {
    writeFileSync(join(path, 'lock'), '999999999 1')
    const children = Array.from({ length: 5 }, () => spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }))
    for (const child of children) child.stdin.write('go\n')
    const answers = await Promise.all(children.map(child => new Promise<string>(resolve => child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())))))
    assert.deepEqual(answers.sort(), [...Array.from({ length: 4 }, () => 'STATE_LOCKED'), 'got'])
    await Promise.all(children.map(child => new Promise(resolve => {
      child.once('exit', resolve)
      child.stdin.end()
    })))
  }
})

test('a process that ended and was not waited for holds nothing', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async () => {
  // The shell becomes a program that never asks what became of its child.
  const parent = spawn('sh', ['-c', 'true & echo $!; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  const fieldsOf = (): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')
  while (fieldsOf()[0] !== 'Z') await new Promise(setImmediate)
  const path = newFolder('zombie')
  writeFileSync(join(path, 'lock'), `${pid} ${fieldsOf()[19]}`)
  await (await lockFolder(path)).release()
  parent.stdin.end()
  await once(parent, 'close')
})
