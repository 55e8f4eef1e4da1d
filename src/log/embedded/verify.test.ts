import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { dumpSegment } from './dump.ts'
import { openLog } from './index.ts'
import { verifyLog } from './verify.ts'

let root = ''
let good = ''
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'sluice-verify-'))
  good = join(root, 'good')
  const log = await openLog(good)
  await log.admin.createTopics([{ name: 'plain', partitions: 2, settings: { segmentBytes: 16_384 } }, { name: 'packed', partitions: 1 }])
  const plain = log.producer()
  for (let n = 0; n < 240; n++) await plain.send({ topic: 'plain', partition: n % 2, key: Buffer.from(`k${n}`), value: Buffer.alloc(200, 'x') })
  const packed = log.producer({ compression: 'zstd', transactionalId: 'tx' })
  for (const end of ['commit', 'abort'] as const) {
    await packed.begin()
    await Promise.all([1, 2, 3].map(n => packed.send({ topic: 'packed', value: Buffer.from(`${n}`.repeat(50)) })))
    await packed[end]()
  }
  await log.close()
})
after(() => rmSync(root, { recursive: true, force: true }))

/** A copy of the good log with a change. */
function changed(name: string, change: (folder: string) => void): string {
  const folder = join(root, name)
  cpSync(good, folder, { recursive: true })
  change(folder)
  return folder
}
const segments = (folder: string, partition: string): string[] => readdirSync(join(folder, partition)).filter(name => name.endsWith('.log')).sort().map(name => join(folder, partition, name))
function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0x40
  writeFileSync(path, bytes)
}

test('a good log is good, and nothing in it is changed', async () => {
  const state = (): string[] => readdirSync(good, { recursive: true, encoding: 'utf8' }).sort().map(name => `${name} ${statSync(join(good, name)).mtimeMs}`)
  const before = state()
  const { findings, batches, records } = await verifyLog(good)
  assert.deepEqual(findings, [])
  assert.ok(batches > 240 && records > 246, `${batches} ${records}`)
  assert.deepEqual(state(), before)
})

test('a flipped bit anywhere in the records is found, with its place and its offsets', async () => {
  for (const [partition, which] of [['plain-0', 0], ['plain-1', -1], ['packed-0', 0]] as const) {
    const folder = changed(`flip-${partition}`, copy => flip(segments(copy, partition).at(which) ?? '', 100))
    const { findings } = await verifyLog(folder)
    assert.equal(findings.length, 1)
    assert.deepEqual([findings[0]?.kind, findings[0]?.at], ['damage', 0])
    assert.match(findings[0]?.cause ?? '', /checksum/)
  }
})

test('files that are gone, cut or foreign are told for what they are', async () => {
  const causes = async (name: string, change: (folder: string) => void): Promise<(readonly [string, string])[]> => (await verifyLog(changed(name, change))).findings.map(({ kind, cause }) => [kind, cause] as const)
  assert.equal(segments(good, 'plain-0').length, 3)
  assert.deepEqual(await causes('middle', folder => rmSync(segments(folder, 'plain-0')[1] ?? '')), [['damage', 'the offsets before this segment are missing'], ['note', 'there is no segment to it; it is not read']])
  assert.deepEqual(await causes('last', folder => rmSync(segments(folder, 'plain-0')[2] ?? '')), [['damage', 'the segment that was the last one is not there']])
  assert.match(String(await causes('folder', folder => rmSync(join(folder, 'plain-1'), { recursive: true }))), /damage,the folder of the partition is not there/)
  assert.match(String(await causes('closed', folder => truncateSync(segments(folder, 'packed-0')[0] ?? '', 300))), /were there when the log was closed, and are gone/)
  assert.deepEqual(await causes('torn', folder => appendFileSync(segments(folder, 'packed-0')[0] ?? '', Buffer.alloc(40, 1))), [['torn', 'the last batch is not whole']])
  assert.match(String(await causes('small', folder => flip(join(folder, 'plain-0', 'state'), 30))), /damage,.*checksum does not fit/)
  assert.deepEqual(await causes('stray', folder => writeFileSync(join(folder, 'plain-0', 'stray.bin'), 'abc')), [['note', 'it does not belong to the log and is not touched']])
  const [first = ''] = segments(good, 'plain-0')
  assert.deepEqual(await causes('cleaned', folder => writeFileSync(`${segments(folder, 'plain-0')[0]}.cleaned`, 'abc')), [['note', 'what was being written when the process ended; it is not read']])
  assert.deepEqual(await causes('places', folder => flip(join(folder, 'plain-0', basename(first, 'log') + 'places'), 50)), [['note', 'it is not whole, and is made anew from its segment']])
  await assert.rejects(verifyLog(tmpdir()), { code: 'LOG_FORMAT', message: /no meta\/topics/ })
})

test('beside a process that writes and gives up segments, nothing is called damage', async () => {
  const folder = join(root, 'busy')
  const log = await openLog(folder, { durability: 'os' })
  await log.admin.createTopics([{ name: 't', settings: { segmentBytes: 2048, retentionBytes: 20_000 } }])
  const producer = log.producer()
  const done = new AbortController()
  const writing = (async () => {
    for (let n = 0; !done.signal.aborted; n++) {
      await producer.send({ topic: 't', partition: 0, value: Buffer.alloc(300, 'x') })
      if (n % 20 === 0) await log.clean()
    }
  })()
  let files = 0
  for (let run = 0; run < 200; run++) {
    const verified = await verifyLog(folder)
    files += verified.files
    assert.deepEqual(verified.findings.filter(({ kind }) => kind === 'damage'), [])
  }
  done.abort()
  await writing
  await log.close()
  assert.ok(files > 400, `${files} files were looked at`)
})

test('gaps in a compacted topic are no damage', async () => {
  const folder = join(root, 'gaps')
  const log = await openLog(folder)
  await log.admin.createTopics([{ name: 'compacted', settings: { cleanup: 'compact' } }, { name: 'kept' }])
  const producer = log.producer()
  for (const topic of ['compacted', 'kept']) for (let n = 0; n < 3; n++) await producer.send({ topic, partition: 0, value: Buffer.from('v') })
  await log.close()
  // The middle one goes, as Kafka's compaction takes whole batches.
  for (const topic of ['compacted', 'kept']) {
    const [path = ''] = segments(folder, `${topic}-0`)
    const bytes = readFileSync(path)
    const each = bytes.length / 3
    writeFileSync(path, Buffer.concat([bytes.subarray(0, each), bytes.subarray(2 * each)]))
    rmSync(join(folder, `${topic}-0`, 'state'))
  }
  const { findings } = await verifyLog(folder)
  assert.deepEqual(findings.map(({ path, cause }) => [path.includes('kept-0'), cause]), [[true, 'offsets are missing before this batch']])
})

test('a dump begins with the batch that holds the offset asked for', async () => {
  const [path = ''] = segments(good, 'plain-0')
  const all = await Array.fromAsync(dumpSegment(path), ({ from }) => from)
  const some = await Array.fromAsync(dumpSegment(path, undefined, 7n), ({ from }) => from)
  assert.deepEqual(some, all.filter(from => from >= 7n))
  assert.ok(some.length > 0 && some.length < all.length)
})

test('a dump shows every batch, also behind a damaged one', async () => {
  const [path = ''] = segments(good, 'packed-0')
  const all = await Array.fromAsync(dumpSegment(path), ({ from, to, compression, control, transactional, damage }) => [from, to, compression, control, transactional, damage] as const)
  assert.deepEqual(all.map(([from, , , control]) => [from, control]).at(-1), [all.at(-1)?.[0], 'abort'])
  assert.deepEqual(all.filter(([, , , control]) => control !== undefined).map(([, , , control]) => control), ['commit', 'abort'])
  assert.ok(all.every(([, , , , transactional, damage]) => transactional && damage === undefined))
  const [bad = ''] = segments(changed('dump', folder => flip(segments(folder, 'packed-0')[0] ?? '', 100)), 'packed-0')
  const shown = await Array.fromAsync(dumpSegment(bad), ({ damage }) => damage !== undefined)
  assert.deepEqual(shown, [true, ...all.slice(1).map(() => false)])
  await assert.rejects(Array.fromAsync(dumpSegment(join(good, 'meta', 'topics'))), { code: 'LOG_FORMAT' })
})
