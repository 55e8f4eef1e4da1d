/** Reads a log that was opened again, and compares it with what was noted. */
import assert from 'node:assert/strict'
import { assertClean } from '../../src/log/conformance/history.testing.ts'
import { nameOf, recordsOf } from '../../src/log/conformance/trial.testing.ts'
import { bytes } from '../../src/log/conformance/trial.testing.ts'
import type { Log, TopicPartition } from '../../src/log/index.ts'
import type { Recording } from './record.ts'
import { GROUP, KEYS, MOVED, PARTITIONS, PLAIN, TABLE } from './workload.ts'

export interface Found {
  readonly offset: bigint
  readonly value: string
}

/** All committed records of a partition, from its first to its end. */
export async function readAll(log: Log, at: TopicPartition): Promise<Found[]> {
  const consumer = log.consumer({ maxBytes: 1 << 20 })
  await consumer.assign([{ ...at, start: 'earliest' }])
  const found: Found[] = []
  for (;;) {
    const before = consumer.position(at)
    const parts = await consumer.fetch({ wait: 0 })
    for (const { offset, value } of recordsOf(parts)) found.push({ offset, value: value ?? '' })
    if (consumer.position(at) === before) break
  }
  await consumer.close()
  return found
}

/** Throws unless the log holds what it must after a power cut behind operation `cut`, and nothing that it must not. */
export async function checkAfterCut(log: Log, recording: Recording, cut: number, where: string): Promise<void> {
  const topics = new Set(await log.admin.listTopics())
  for (const name of new Set(recording.topics.map(({ name }) => name))) {
    const expected = recording.topic(cut, name)
    if (expected !== undefined) assert.equal(topics.has(name), expected, `topic ${name} (${where})`)
  }
  if (!topics.has(PLAIN)) return assert.equal(recording.sends.filter(({ ended }) => ended !== undefined && ended <= cut).length, 0, `topics are missing (${where})`)
  const starts = new Map<string, bigint>()
  const finals = new Map<string, Found[]>()
  for (const [topic, partition] of PARTITIONS) {
    const at = { topic, partition }
    const [first] = await log.admin.offsets([{ ...at, start: 'earliest' }])
    const start = first?.offset ?? -1n
    const { least, most } = recording.start(cut, nameOf(at))
    assert.ok(start >= least && start <= most, `${nameOf(at)} begins at ${start}, not between ${least} and ${most} (${where})`)
    starts.set(nameOf(at), start)
    finals.set(nameOf(at), await readAll(log, at))
  }
  const history = recording.history(cut, starts)
  for (const [at, found] of finals) history.final(at, found)
  assertClean(history, where)
  await checkOffsets(log, recording, cut, where)
  await checkTable(log, recording, cut, where)
}

/** The newest value of each key is what compaction must keep; older ones may be there or not. */
async function checkTable(log: Log, recording: Recording, cut: number, where: string): Promise<void> {
  const consumer = log.consumer()
  const at = { topic: TABLE, partition: 0 }
  await consumer.assign([{ ...at, start: 'earliest' }])
  const newest = new Map<string, string>()
  for (let before = -1n; consumer.position(at) !== before;) {
    before = consumer.position(at) ?? -1n
    for (const { key, value } of recordsOf(await consumer.fetch({ wait: 0 }))) newest.set(key ?? '', value ?? '')
  }
  await consumer.close()
  for (const key of KEYS) {
    const possible = recording.newest(cut, key)
    assert.ok(possible.has(newest.get(key)), `the key ${key} has "${newest.get(key)}", not ${[...possible].map(value => `"${value}"`).join(' or ')} (${where})`)
  }
}

async function checkOffsets(log: Log, recording: Recording, cut: number, where: string): Promise<void> {
  for (const group of [GROUP, 'other']) {
    const { offsets } = await log.admin.describeGroup(group)
    for (const partition of [0, 1]) {
      const found = offsets.find(offset => offset.topic === PLAIN && offset.partition === partition)?.offset
      const possible = recording.committed(cut, group, `${PLAIN}/${partition}`)
      assert.ok(possible.has(found), `group ${group} is at ${found} of partition ${partition}, not at ${[...possible].join(' or ')} (${where})`)
    }
  }
}

/** Throws unless the log takes records and transactions as if nothing had happened. */
export async function checkGoesOn(log: Log, where: string): Promise<void> {
  if (!(await log.admin.listTopics()).includes(PLAIN)) return
  const producer = log.producer()
  const { offset } = await producer.send({ topic: PLAIN, partition: 0, value: bytes('goes on') })
  await producer.close()
  const found = await readAll(log, { topic: PLAIN, partition: 0 })
  assert.deepEqual(found.at(-1), { offset, value: 'goes on' }, where)
  const mover = log.producer({ transactionalId: 'mover-0' })
  await mover.begin()
  await mover.send({ topic: MOVED, partition: 0, value: bytes('moved on') })
  await mover.commit()
  await mover.close()
  assert.equal((await readAll(log, { topic: MOVED, partition: 0 })).at(-1)?.value, 'moved on', where)
}
