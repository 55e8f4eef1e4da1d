import assert from 'node:assert/strict'
import { mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import type { TestContext } from 'node:test'
import { systemFiles } from '../../platform/index.ts'
import { removeFolder } from './durable-file.ts'
import { NaiveDisk } from './naive-storage.fixture.ts'
import { openLog } from './open.ts'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-log-'))
  t.after(() => removeFolder(systemFiles, folder))
  return folder
}

const naive = () => {
  const disk = new NaiveDisk()
  return (folder: string, settings: Parameters<NaiveDisk['open']>[1]) => disk.open(folder, settings)
}

test('a log in a folder that is not there yet makes it, and keeps its topics', async t => {
  const folder = join(await folderOf(t), 'deep', 'data')
  const storage = naive()
  const log = await openLog(folder, { storage, durability: { interval: 20 } })
  assert.equal(log.describe(), `embedded log in ${folder}: records are on disk within 20 ms of being acknowledged: a power cut may lose that much`)
  await log.admin.createTopics([{ name: 'a' }])
  await log.close()
  const again = await openLog(folder, { storage })
  assert.deepEqual(await again.admin.listTopics(), ['a'])
  await again.admin.deleteTopics(['a'])
  await again.close()
  assert.deepEqual((await readdir(join(folder, 'meta'))).sort(), ['topics'])
})

test('a second log on a folder is told who has it', async t => {
  const folder = await folderOf(t)
  const storage = naive()
  const log = await openLog(folder, { storage })
  await assert.rejects(openLog(folder, { storage }), { code: 'LOG_LOCKED', message: `The log in ${folder} is in use by another log of this process.` })
  await log.close()
})

const isLinux = process.platform === 'linux'

test('a log that another process has open is told with its id', { skip: isLinux ? false : 'the first process of the machine is looked up in /proc' }, async t => {
  const folder = await folderOf(t)
  const storage = naive()
  // The first process of the machine: it lives as long as the machine does.
  await writeFile(join(folder, 'lock'), `1 ${await startOfFirst()}`)
  await assert.rejects(openLog(folder, { storage }), { code: 'LOG_LOCKED', message: /in use by process 1\./ })
})

async function startOfFirst(): Promise<string> {
  const stat = Buffer.from((await systemFiles.readFile('/proc/1/stat')) ?? []).toString()
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown'
}

test('a durability that makes no sense is refused before anything is made', async t => {
  const folder = await folderOf(t)
  await assert.rejects(openLog(folder, { storage: naive(), durability: { interval: 0 } }), { code: 'LOG_SETTING' })
  assert.deepEqual(await readdir(folder), [])
})

test('logs in memory are each their own', async () => {
  const [one, other] = [await openLog({ memory: true }, { storage: naive() }), await openLog({ memory: true }, { storage: naive() })]
  await one.admin.createTopics([{ name: 'a' }])
  assert.deepEqual(await other.admin.listTopics(), [])
  await one.close()
  await other.close()
})

test('without a storage that was given, records lie in segments, and are there again', async t => {
  const folder = await folderOf(t)
  const log = await openLog(folder)
  await log.admin.createTopics([{ name: 'a' }])
  await log.producer().send({ topic: 'a', value: Buffer.from('kept') })
  await log.close()
  const again = await openLog(folder)
  const consumer = again.consumer()
  await consumer.assign([{ topic: 'a', partition: 0 }])
  assert.match(Buffer.from((await consumer.fetch())[0]?.bytes ?? []).toString('latin1'), /kept/)
  await again.admin.deleteTopics(['a'])
  assert.deepEqual((await readdir(folder)).filter(name => name.startsWith('a-')), [])
  await again.close()
  const inMemory = await openLog({ memory: true })
  assert.deepEqual(await inMemory.admin.listTopics(), [])
  await inMemory.close()
})
