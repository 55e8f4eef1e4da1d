import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockFolder, takeOver } from './folder-lock.ts'

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

test('who comes too late to a stale lock leaves the one that another made', async () => {
  const path = join(newFolder('late'), 'lock')
  writeFileSync(path, 'made meanwhile')
  assert.equal(await takeOver(path, '999999999 1', 'own'), 'gone')
  assert.equal(readFileSync(path, 'utf8'), 'made meanwhile')
  assert.equal(await takeOver(path, 'made meanwhile', 'own'), 'taken')
  assert.equal(readFileSync(path, 'utf8'), 'own')
})

test('a stale lock has one heir, also where the one before ended in the middle', async () => {
  const path = newFolder('heirs')
  const mine = newFolder('heirs-mine')
  const lock = await lockFolder(mine)
  const heir = `lock.${Buffer.from('999999999 1').toString('hex')}.heir`
  writeFileSync(join(path, 'lock'), '999999999 1')
  writeFileSync(join(path, heir), readFileSync(join(mine, 'lock')))
  await assert.rejects(lockFolder(path), { code: 'STATE_LOCKED' })
  writeFileSync(join(path, heir), '999999998 1')
  await (await lockFolder(path)).release()
  assert.deepEqual(readdirSync(path), [])
  await lock.release()
})

/** What a process says next; the empty text where it ends instead. */
function said(output: Readable): Promise<string> {
  return new Promise(resolve => {
    output.once('data', (data: Buffer) => resolve(data.toString().trim()))
    output.once('end', () => resolve(''))
  })
}

test('of several processes that want a folder with a stale lock, one gets it', async () => {
  const path = newFolder('many')
  const program = `
    const { lockFolder } = await import(${JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href)})
    setInterval(() => undefined, 1000) // Lives until it is killed: a lock is held by who lives.
    process.stdin.once('data', async () => console.log(await lockFolder(${JSON.stringify(path)}).then(() => 'got', error => String(error.code ?? error))))
    console.log('ready')
  `
  for (let round = 0; round < 3; round++) {
    writeFileSync(join(path, 'lock'), '999999999 1')
    const children = Array.from({ length: 5 }, () => spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }))
    const gone = children.map(child => new Promise(resolve => child.once('exit', resolve)))
    const answers: string[] = []
    try {
      await Promise.all(children.map(child => said(child.stdout)))
      for (const child of children) child.stdin.write('go\n')
      answers.push(...await Promise.all(children.map(child => said(child.stdout))))
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(gone)
    }
    assert.deepEqual(answers.sort(), [...Array.from({ length: 4 }, () => 'STATE_LOCKED'), 'got'])
  }
})

test('a process that ended and was not waited for holds nothing', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async t => {
  // The shell becomes a program that never asks what became of its child.
  const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] })
  t.after(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  while (readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim() !== 'cat') await new Promise(setImmediate)
  process.kill(pid)
  const fieldsOf = (): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')
  while (fieldsOf()[0] !== 'Z') await new Promise(setImmediate)
  const path = newFolder('zombie')
  writeFileSync(join(path, 'lock'), `${pid} ${fieldsOf()[19]}`)
  await (await lockFolder(path)).release()
  parent.stdin.end()
  await once(parent, 'close')
})
