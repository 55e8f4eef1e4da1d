/** Groups: members share the partitions, and every partition has one reader at a time. */
import assert from 'node:assert/strict'
import type { OffsetToCommit } from '../log.ts'
import { bytes, coded, eventually, nameOf, numbered, read, recordsOf } from './trial.testing.ts'
import type { Member, Say, Trial } from './trial.testing.ts'

const hasGroups = { needs: (log: Trial['log']) => log.features.groups }

const partitionsOf = ({ consumer }: Member): number[] => consumer.assigned.map(({ partition }) => partition).sort((a, b) => a - b)

/** Lets members work (fetch) until what they have is what is wanted. */
async function settle(members: readonly Member[], wanted: () => boolean): Promise<void> {
  await eventually(async () => {
    await Promise.all(members.map(({ consumer }) => consumer.fetch({ wait: 0 })))
  }, wanted)
}

export function groups(say: Say): void {
  say('the only member gets all partitions, and reads from the first record', async trial => {
    const topic = await trial.topic(3)
    await trial.fill(topic, numbered(10), { partition: 1 })
    const member = trial.member(trial.name('group'), [topic])
    await member.consumer.join()
    assert.deepEqual(partitionsOf(member), [0, 1, 2])
    assert.deepEqual(member.events, ['assigned 0 1 2'])
    assert.deepEqual((await read(member.consumer, 10)).map(({ value }) => value), numbered(10))
    await member.consumer.close()
  }, hasGroups)

  say('the next member goes on where the offsets were committed', async trial => {
    const topic = await trial.topic()
    const group = trial.name('group')
    await trial.fill(topic, numbered(10))
    const first = trial.member(group, [topic])
    await first.consumer.join()
    await read(first.consumer, 10)
    await first.consumer.commit([{ topic, partition: 0, offset: 6n, metadata: 'up to six' }])
    await first.consumer.close()
    const second = trial.member(group, [topic])
    await second.consumer.join()
    assert.deepEqual((await read(second.consumer, 4)).map(({ value }) => value), numbered(10).slice(6))
    const [committed] = (await trial.log.admin.describeGroup(group)).offsets
    assert.equal(committed?.metadata, 'up to six')
    await second.consumer.close()
  }, hasGroups)

  say('what was read and not committed is read again by the next member', async trial => {
    const topic = await trial.topic()
    const group = trial.name('group')
    await trial.fill(topic, numbered(3))
    for (let round = 0; round < 2; round++) {
      const member = trial.member(group, [topic])
      await member.consumer.join()
      assert.deepEqual((await read(member.consumer, 3)).map(({ value }) => value), numbered(3))
      await member.consumer.close()
    }
  }, hasGroups)

  say('a start of `latest` holds for partitions without a committed offset only', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    for (const partition of [0, 1]) await trial.fill(topic, numbered(5, `p${partition}-`), { partition })
    await trial.log.admin.resetOffsets(group, [{ topic, partition: 0, offset: 3n }])
    const { consumer } = trial.member(group, [topic], { start: 'latest' })
    await consumer.join()
    assert.equal(consumer.position({ topic, partition: 0 }), 3n)
    assert.deepEqual((await read(consumer, 2)).map(({ value }) => value), ['p0-3', 'p0-4'])
    await trial.fill(topic, ['new'], { partition: 1 })
    assert.deepEqual((await read(consumer, 1)).map(({ value }) => value), ['new'])
    await consumer.close()
  }, hasGroups)

  for (const assignor of ['range', 'sticky'] as const) {
    say(`two members share the partitions, and a third one makes no partition have two readers (${assignor})`, async trial => {
      const topic = await trial.topic(6)
      const group = trial.name('group')
      const members: Member[] = []
      for (let count = 1; count <= 3; count++) {
        const member = trial.member(group, [topic], { assignor })
        const joining = member.consumer.join()
        await Promise.all([joining, settle(members, () => members.every(({ consumer }) => consumer.assigned.length === 6 / count))])
        members.push(member)
        assert.deepEqual(members.flatMap(partitionsOf).sort((a, b) => a - b), [0, 1, 2, 3, 4, 5])
        assert.deepEqual(members.map(one => one.consumer.assigned.length), members.map(() => 6 / count))
      }
      for (const { consumer } of members) await consumer.close()
    }, hasGroups)
  }

  say('the sticky assignor lets members keep what they have', async trial => {
    const topic = await trial.topic(4)
    const group = trial.name('group')
    const first = trial.member(group, [topic], { assignor: 'sticky' })
    await first.consumer.join()
    const second = trial.member(group, [topic], { assignor: 'sticky' })
    await Promise.all([second.consumer.join(), settle([first], () => first.consumer.assigned.length === 2)])
    const kept = partitionsOf(first)
    await Promise.all([second.consumer.close(), settle([first], () => first.consumer.assigned.length === 4)])
    await settle([first], () => first.consumer.assigned.length === 4)
    assert.deepEqual(partitionsOf(first), [0, 1, 2, 3])
    assert.ok(kept.every(partition => !first.events.slice(1).some(event => event.startsWith('revoked') && event.includes(String(partition)))))
    await first.consumer.close()
  }, hasGroups)

  say('a partition is given back before another member gets it, and what was read can be committed while it is', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    for (const partition of [0, 1]) await trial.fill(topic, numbered(10, `p${partition}-`), { partition })
    const order: string[] = []
    const first: Member = trial.member(group, [topic], {
      onRevoked: async partitions => {
        const offsets = partitions.map((at): OffsetToCommit => ({ ...at, offset: first.consumer.position(at) ?? 0n }))
        await first.consumer.commit(offsets)
        order.push('committed')
      },
    })
    await first.consumer.join()
    await read(first.consumer, 20)
    const second = trial.member(group, [topic], { onAssigned: partitions => order.push(`second got ${partitions.length}`) })
    await Promise.all([second.consumer.join(), settle([first], () => first.consumer.assigned.length === 1)])
    assert.deepEqual(order, ['committed', 'second got 1'])
    const [at] = second.consumer.assigned
    assert.equal(at === undefined ? undefined : second.consumer.position(at), 10n)
    await first.consumer.close()
    await second.consumer.close()
  }, hasGroups)

  say('a member that leaves gives its partitions to the others', async trial => {
    const topic = await trial.topic(4)
    const group = trial.name('group')
    const first = trial.member(group, [topic])
    const second = trial.member(group, [topic])
    await first.consumer.join()
    await Promise.all([second.consumer.join(), settle([first], () => first.consumer.assigned.length === 2)])
    await first.consumer.close()
    await settle([second], () => second.consumer.assigned.length === 4)
    assert.deepEqual(partitionsOf(second), [0, 1, 2, 3])
    assert.deepEqual(first.consumer.assigned, [])
    await second.consumer.close()
  }, hasGroups)

  say('offsets of a partition that belongs to another member are refused', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    const first = trial.member(group, [topic])
    const second = trial.member(group, [topic])
    await first.consumer.join()
    const late = partitionsOf(first)
    await Promise.all([second.consumer.join(), settle([first], () => first.consumer.assigned.length === 1)])
    const lost = late.find(partition => !partitionsOf(first).includes(partition)) ?? -1
    await assert.rejects(first.consumer.commit([{ topic, partition: lost, offset: 1n }]), coded('LOG_FENCED'))
    await first.consumer.close()
    await second.consumer.close()
  }, hasGroups)

  say('a member of an old generation may not commit through a transaction', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    const first = trial.member(group, [topic])
    await first.consumer.join()
    const { reference } = first.consumer
    await first.consumer.close()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await producer.begin()
    await assert.rejects(producer.sendOffsets(reference, [{ topic, partition: 0, offset: 1n }]), coded('LOG_FENCED'))
    await producer.abort()
    await producer.close()
  }, { needs: log => log.features.groups && log.features.transactions })

  say('a group by pattern takes topics whose whole name fits, and those that appear later', async trial => {
    const prefix = trial.name('pattern')
    await trial.log.admin.createTopics([{ name: `${prefix}.a` }, { name: `x${prefix}.b` }, { name: `${prefix}.c.d` }])
    const member = trial.member(trial.name('group'), new RegExp(`${prefix}\\.[a-z]`))
    await member.consumer.join()
    assert.deepEqual(member.consumer.assigned.map(({ topic }) => topic), [`${prefix}.a`])
    await trial.log.admin.createTopics([{ name: `${prefix}.e` }])
    await settle([member], () => member.consumer.assigned.length === 2)
    assert.deepEqual(member.consumer.assigned.map(({ topic }) => topic).sort(), [`${prefix}.a`, `${prefix}.e`])
    await member.consumer.close()
  }, hasGroups)

  say('partitions that are added are taken in', async trial => {
    const topic = await trial.topic(1)
    const member = trial.member(trial.name('group'), [topic])
    await member.consumer.join()
    await trial.log.admin.alterTopic(topic, { partitions: 3 })
    await settle([member], () => member.consumer.assigned.length === 3)
    await trial.fill(topic, ['in the new one'], { partition: 2 })
    assert.deepEqual((await read(member.consumer, 1)).map(({ value }) => value), ['in the new one'])
    await member.consumer.close()
  }, hasGroups)

  say('members of different topics share one group without mixing them up', async trial => {
    const [left, right] = [await trial.topic(2), await trial.topic(2)]
    const group = trial.name('group')
    const first = trial.member(group, [left])
    const second = trial.member(group, [right])
    await first.consumer.join()
    await Promise.all([second.consumer.join(), settle([first], () => second.consumer.assigned.length > 0)])
    await settle([first, second], () => first.consumer.assigned.length === 2)
    assert.deepEqual(first.consumer.assigned.map(nameOf).sort(), [`${left}/0`, `${left}/1`])
    assert.deepEqual(second.consumer.assigned.map(nameOf).sort(), [`${right}/0`, `${right}/1`])
    await first.consumer.close()
    await second.consumer.close()
  }, hasGroups)

  say('the lag counts from the first record that is kept', async trial => {
    const topic = await trial.topic(3)
    const group = trial.name('group')
    for (const partition of [0, 1, 2]) await trial.fill(topic, numbered(10), { partition })
    await trial.log.admin.resetOffsets(group, [{ topic, partition: 0, offset: 10n }, { topic, partition: 1, offset: 2n }, { topic, partition: 2, offset: 2n }])
    await trial.log.admin.deleteRecords([{ topic, partition: 2, offset: 7n }])
    const { offsets, state, members } = await trial.log.admin.describeGroup(group)
    assert.deepEqual(offsets.map(({ partition, offset, lag }) => [partition, offset, lag]).sort(([a], [b]) => Number(a) - Number(b)), [[0, 10n, 0n], [1, 2n, 8n], [2, 2n, 3n]])
    assert.deepEqual([state, members], ['empty', []])
  }, { needs: log => log.features.groups && log.features.deleteRecords })

  say('a group is listed and described with its members and what they have', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    const member = trial.member(group, [topic])
    await member.consumer.join()
    assert.ok((await trial.log.admin.listGroups()).includes(group))
    const described = await trial.log.admin.describeGroup(group)
    assert.equal(described.state, 'stable')
    assert.deepEqual(described.members.map(({ partitions }) => partitions.map(nameOf).sort()), [[`${topic}/0`, `${topic}/1`]])
    await member.consumer.close()
  }, hasGroups)

  say('offsets are not reset, nor the group deleted, while it has members', async trial => {
    const topic = await trial.topic()
    const group = trial.name('group')
    const member = trial.member(group, [topic])
    await member.consumer.join()
    await member.consumer.commit([{ topic, partition: 0, offset: 0n }])
    await assert.rejects(trial.log.admin.resetOffsets(group, [{ topic, partition: 0, offset: 0n }]), coded('LOG_GROUP_BUSY'))
    await assert.rejects(trial.log.admin.deleteGroup(group), coded('LOG_GROUP_BUSY'))
    await member.consumer.close()
    await trial.log.admin.resetOffsets(group, [{ topic, partition: 0, offset: 0n }])
    await trial.log.admin.deleteGroup(group)
    assert.ok(!(await trial.log.admin.listGroups()).includes(group))
  }, hasGroups)

  say('members that are taken out leave a group that can be reset, commit no more, and come back where it was set to', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    for (const partition of [0, 1]) await trial.fill(topic, numbered(5), { partition })
    const members = [trial.member(group, [topic]), trial.member(group, [topic])]
    for (const { consumer } of members) await consumer.join()
    const had = members.map(({ consumer }) => consumer.assigned)
    assert.equal(await trial.log.admin.removeMembers(group), 2)
    await trial.log.admin.resetOffsets(group, [{ topic, partition: 0, offset: 3n }, { topic, partition: 1, offset: 4n }])
    assert.equal(await trial.log.admin.removeMembers(group), 0)
    for (const [index, { consumer }] of members.entries()) await assert.rejects(consumer.commit((had[index] ?? []).map(at => ({ ...at, offset: 1n }))), coded('LOG_FENCED'))
    const found = await read(members[0]?.consumer ?? assert.fail(), 3)
    assert.deepEqual(new Set(found.map(({ value }) => value)), new Set(['v3', 'v4']))
    for (const { consumer } of members) await consumer.close()
  }, hasGroups)

  say('committed offsets are there after the log was opened again', async trial => {
    const { reopen } = trial.tested
    if (reopen === undefined) return
    const topic = await trial.topic()
    const group = trial.name('group')
    await trial.fill(topic, numbered(10))
    const first = trial.member(group, [topic])
    await first.consumer.join()
    await first.consumer.commit([{ topic, partition: 0, offset: 8n }])
    trial.log = await reopen()
    const second = trial.member(group, [topic])
    await second.consumer.join()
    assert.deepEqual((await read(second.consumer, 2)).map(({ value }) => value), ['v8', 'v9'])
    await second.consumer.close()
  }, hasGroups)

  say('a member that gives no sign of life is dropped, told so, and joins again by itself', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    const lost: string[] = []
    const silent = trial.member(group, [topic], { sessionTimeout: 10_000, onLost: partitions => lost.push(...partitions.map(nameOf)) })
    await silent.consumer.join()
    const lively = trial.member(group, [topic], { sessionTimeout: 10_000 })
    await lively.consumer.join()
    for (let second = 0; second < 20; second++) {
      await trial.tested.advance?.(1000)
      await lively.consumer.fetch({ wait: 0 })
    }
    assert.deepEqual(partitionsOf(lively), [0, 1])
    assert.equal(lost.length, 1)
    await assert.rejects(silent.consumer.commit([{ topic, partition: 0, offset: 1n }]), coded('LOG_FENCED'))
    await silent.consumer.fetch({ wait: 0 })
    assert.deepEqual([partitionsOf(silent).length, partitionsOf(lively).length], [1, 1])
    await silent.consumer.close()
    await lively.consumer.close()
  }, { clock: 'simulated', needs: log => log.features.groups })

  say('a member that takes too long to give partitions back loses them', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    let release = (): void => undefined
    const held = new Promise<void>(resolve => { release = resolve })
    const lost: string[] = []
    const slow = trial.member(group, [topic], { sessionTimeout: 60_000, rebalanceTimeout: 20_000, onRevoked: () => held, onLost: partitions => lost.push(...partitions.map(nameOf)) })
    await slow.consumer.join()
    const had = slow.consumer.assigned.map(nameOf)
    const second = trial.member(group, [topic], { sessionTimeout: 60_000 })
    const joining = second.consumer.join({ timeout: 600_000 })
    await trial.tested.advance?.(19_000)
    assert.deepEqual(partitionsOf(second), [])
    await trial.tested.advance?.(2000)
    await joining
    const [given = -1] = partitionsOf(second)
    await assert.rejects(slow.consumer.commit([{ topic, partition: given, offset: 1n }]), coded('LOG_FENCED'))
    await second.consumer.commit([{ topic, partition: given, offset: 1n }])
    release()
    await second.consumer.close()
    await slow.consumer.close()
    // Each is told once: what it was giving back, and what it would have kept.
    assert.deepEqual(lost.toSorted(), had.toSorted())
  }, { clock: 'simulated', needs: log => log.features.groups })

  say('a member that waited long to join is not dropped for that', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    let release = (): void => undefined
    const held = new Promise<void>(resolve => { release = resolve })
    const first = trial.member(group, [topic], { sessionTimeout: 60_000, rebalanceTimeout: 50_000, onRevoked: () => held })
    await first.consumer.join()
    const second = trial.member(group, [topic], { sessionTimeout: 10_000 })
    const joining = second.consumer.join({ timeout: 600_000 })
    await trial.tested.advance?.(30_000)
    release()
    await joining
    await trial.tested.advance?.(5000)
    assert.equal(second.consumer.assigned.length, 1)
    await Promise.all([first, second].map(({ consumer }) => consumer.close()))
  }, { clock: 'simulated', needs: log => log.features.groups })

  say('a call to join that takes too long is given up', async trial => {
    const topic = await trial.topic(2)
    const group = trial.name('group')
    let release = (): void => undefined
    const held = new Promise<void>(resolve => { release = resolve })
    const first = trial.member(group, [topic], { onRevoked: () => held })
    await first.consumer.join()
    const second = trial.member(group, [topic])
    await assert.rejects(second.consumer.join({ timeout: 50 }), coded('TIMED_OUT'))
    const third = trial.member(group, [topic])
    await assert.rejects(third.consumer.join({ signal: AbortSignal.timeout(50) }), coded('ABORTED'))
    release()
    await Promise.all([first, second, third].map(({ consumer }) => consumer.close()))
  }, hasGroups)

  say('a group reads nothing twice and leaves nothing out while members come and go', async trial => {
    const topic = await trial.topic(6)
    const group = trial.name('group')
    const seen = new Map<string, number>()
    const producer = trial.log.producer()
    const acks = Promise.all(numbered(600).map((value, index) => producer.send({ topic, partition: index % 6, value: bytes(value) })))
    const start = async (): Promise<Member> => {
      const member: Member = trial.member(group, [topic], {
        onRevoked: async partitions => member.consumer.commit(partitions.map(at => ({ ...at, offset: member.consumer.position(at) ?? 0n }))),
      })
      await member.consumer.join()
      return member
    }
    const step = async ({ consumer }: Member): Promise<void> => {
      for (const { at, value } of recordsOf(await consumer.fetch({ wait: 5 }))) seen.set(`${at} ${value}`, (seen.get(`${at} ${value}`) ?? 0) + 1)
    }
    const members = [await start()]
    for (const change of ['join', 'join', 'leave', 'join', 'leave', 'leave']) {
      for (const member of members) await step(member)
      if (change === 'join') members.push(await start())
      else await members.shift()?.consumer.close()
    }
    await acks
    await producer.close()
    await eventually(async () => {
      for (const member of members) await step(member)
    }, () => seen.size === 600)
    assert.equal(seen.size, 600)
    assert.deepEqual([...seen.values()].filter(count => count !== 1), [])
    for (const { consumer } of members) await consumer.close()
  }, hasGroups)
}
