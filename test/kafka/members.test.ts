/** A group under load on a real broker, while its members come, leave and die: no record is skipped, and only what a dead member had not committed comes twice. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { batchOf, numbered } from '../../src/log/conformance/trial.testing.ts'
import { openLog } from '../../src/log/index.ts'
import { startBroker } from './broker.ts'
import { readOn } from './reader.ts'
import type { Note } from './reader.ts'

const PARTITIONS = [0, 1, 2, 3, 4, 5]
const PER_BATCH = 20

/** What all members noted, in the order in which it came here. */
class History {
  readonly notes: { readonly member: string; readonly note: Note }[] = []
  readonly #watchers = new Set<() => void>()

  add(member: string, note: Note): void {
    this.notes.push({ member, note })
    for (const look of this.#watchers) look()
  }

  /** Resolves when the notes say what is wanted. */
  until(wanted: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (!wanted()) return
        this.#watchers.delete(look)
        resolve()
      }
      this.#watchers.add(look)
      look()
    })
  }

  has(member: string, what: Note['what']): boolean {
    return this.notes.some(entry => entry.member === member && entry.note.what === what)
  }

  committed(partition: number): number {
    return this.notes.reduce((most, { note }) => (note.what === 'committed' && note.partition === partition ? Math.max(most, note.to) : most), 0)
  }

  /** Throws unless every record up to the ends was read, and each one twice only where its reader before died, or was lost, without having committed it. */
  check(ends: readonly number[], killed: readonly string[]): void {
    // A machine that stood still for long may make a member one that is lost, too.
    const mortal = new Set([...killed, ...this.notes.filter(({ note }) => note.what === 'lost').map(({ member }) => member)])
    for (const partition of PARTITIONS) {
      let readUpTo = 0
      let committed = 0
      let last = ''
      for (const { member, note } of this.notes) {
        if (!('partition' in note) || note.partition !== partition) continue
        if (note.what === 'committed') {
          committed = Math.max(committed, note.to)
          continue
        }
        assert.ok(note.from <= readUpTo, `partition ${partition}: ${member} read on at ${note.from}, and ${readUpTo} was the next`)
        if (note.from < readUpTo) {
          assert.ok(mortal.has(last) && last !== member, `partition ${partition}: ${member} read ${note.from} again, and ${last}, which had read up to ${readUpTo}, lives`)
          assert.ok(note.from >= committed, `partition ${partition}: ${member} read ${note.from} again, and ${committed} was committed`)
        }
        readUpTo = Math.max(readUpTo, note.to)
        last = member
      }
      assert.equal(readUpTo, ends[partition], `partition ${partition} was not read to its end`)
    }
  }
}

type Protocol = 'classic' | 'consumer'

const broker = await startBroker()
if (typeof broker === 'string') test('members of a group', { skip: broker }, () => undefined)
else {
  const place = `kafka://${broker.plain}`
  const logs = {
    classic: await openLog(place, { warn: () => undefined }),
    consumer: await openLog(place, { warn: () => undefined, kafka: { groupProtocol: 'consumer' } }),
  }
  const log = logs.classic
  after(async () => {
    for (const each of Object.values(logs)) await each.close()
    await broker.stop()
  })

  interface Member {
    readonly name: string
    readonly end: () => Promise<void>
  }

  /** Writes to all partitions, without a pause, until it is stopped; answers the ends. */
  function load(topic: string): { readonly stop: () => Promise<number[]> } {
    let isStopped = false
    const producer = log.producer()
    const values = numbered(PER_BATCH)
    const writing = (async (): Promise<number[]> => {
      let batches = 0
      for (; !isStopped; batches++) await Promise.all(PARTITIONS.map(partition => producer.append(topic, partition, batchOf(...values))))
      await producer.close()
      return PARTITIONS.map(() => batches * PER_BATCH)
    })()
    return {
      stop: () => {
        isStopped = true
        return writing
      },
    }
  }

  function inside(history: History, name: string, topic: string, group: string, assignor: 'range' | 'sticky', protocol: Protocol): Member {
    const leave = new AbortController()
    // Signs of life go out three times in a session: a shorter one learns sooner that others came or went.
    const reading = readOn(logs[protocol], { topic, group, sessionTimeout: 4500, assignor }, note => history.add(name, note), leave.signal)
    return {
      name,
      end: () => {
        leave.abort()
        return reading
      },
    }
  }

  function program(t: TestContext, history: History, name: string, topic: string, group: string, protocol: Protocol): Member {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'reader.ts'), place, topic, group, '3000', protocol], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    const lines = createInterface(child.stdout)
    const ended = once(lines, 'close')
    lines.on('line', line => history.add(name, JSON.parse(line) as Note)) // Written by reader.ts.
    return {
      name,
      end: async () => {
        child.kill('SIGKILL')
        await ended
      },
    }
  }

  const reads = (history: History, { name }: Member): Promise<void> => history.until(() => history.has(name, 'read'))

  async function finish(history: History, members: readonly Member[], loading: ReturnType<typeof load>): Promise<number[]> {
    const ends = await loading.stop()
    await history.until(() => PARTITIONS.every(partition => history.committed(partition) === ends[partition]))
    await Promise.all(members.map(({ end }) => end()))
    return ends
  }

  for (const [assignor, protocol] of [['range', 'classic'], ['sticky', 'classic'], ['range', 'consumer'], ['sticky', 'consumer']] as const) {
    test(`members that join and leave under load read each record once (${assignor}, ${protocol} protocol)`, async () => {
      const topic = `orderly-${assignor}-${protocol}`
      await log.admin.createTopics([{ name: topic, partitions: PARTITIONS.length }])
      const history = new History()
      const loading = load(topic)
      const enter = (name: string): Member => inside(history, name, topic, topic, assignor, protocol)
      const first = enter('first')
      await reads(history, first)
      const second = enter('second')
      await reads(history, second)
      const third = enter('third')
      await Promise.all([first.end(), reads(history, third)])
      await second.end()
      const fourth = enter('fourth')
      await reads(history, fourth)
      const ends = await finish(history, [third, fourth], loading)
      history.check(ends, [])
    })
  }

  for (const protocol of ['classic', 'consumer'] as const) test(`members that are killed under load: nothing is skipped, and only what they had not committed is read again (${protocol} protocol)`, async t => {
    const topic = `killed-${protocol}`
    await log.admin.createTopics([{ name: topic, partitions: PARTITIONS.length }])
    const history = new History()
    const loading = load(topic)
    const stays = inside(history, 'stays', topic, topic, 'sticky', protocol)
    await reads(history, stays)
    const mortal = ['dies', 'dies too']
    for (const name of mortal) {
      const member = program(t, history, name, topic, topic, protocol)
      await reads(history, member)
      await member.end()
    }
    const joins = inside(history, 'joins', topic, topic, 'sticky', protocol)
    await reads(history, joins)
    const ends = await finish(history, [stays, joins], loading)
    history.check(ends, mortal)
  })

  for (const [assignor, protocol] of [['range', 'classic'], ['sticky', 'classic'], ['range', 'consumer']] as const) test(`a member that takes too long to give partitions back loses them, and goes on (${assignor}, ${protocol} protocol)`, async () => {
    const topic = `slow-${assignor}-${protocol}`
    await log.admin.createTopics([{ name: topic, partitions: 2 }])
    const { promise: isLost, resolve: lose } = Promise.withResolvers<void>()
    const lost = new Set<number>()
    const slow = logs[protocol].group({
      group: topic, topics: [topic], assignor, sessionTimeout: 6000, rebalanceTimeout: 1500,
      // Nothing but their loss lets go of them.
      onRevoked: async () => isLost,
      onLost: partitions => {
        for (const { partition } of partitions) lost.add(partition)
        lose()
      },
    })
    await slow.join()
    while (slow.assigned.length < 2) await slow.fetch({ wait: 100 })
    const other = logs[protocol].group({ group: topic, topics: [topic], assignor, rebalanceTimeout: 1500 })
    const joining = other.join()
    while (lost.size === 0) await slow.fetch({ wait: 100 })
    await joining
    // The group is shared out anew with both, and each record is read by one of them.
    while (slow.assigned.length !== 1 || other.assigned.length !== 1) await Promise.all([slow.fetch({ wait: 100 }), other.fetch({ wait: 100 })])
    const [own] = slow.assigned
    assert.ok(own !== undefined)
    await slow.commit([{ ...own, offset: 0n }])
    await Promise.all([slow.close(), other.close()])
  })

  test('a group of the newer protocol is described, refused to transactions, and reset once its members are taken out', async () => {
    const topic = 'described'
    await log.admin.createTopics([{ name: topic, partitions: 2 }])
    const member = logs.consumer.group({ group: 'described', topics: [topic] })
    await member.join()
    // A coordinator may first have to learn of a new topic.
    while (member.assigned.length < 2) await member.fetch({ wait: 100 })
    assert.deepEqual(member.assigned.map(({ partition }) => partition).toSorted((a, b) => a - b), [0, 1])
    await member.commit([{ topic, partition: 0, offset: 0n }])
    const described = await log.admin.describeGroup('described')
    assert.deepEqual([described.state, described.members.length, described.members[0]?.partitions.length, described.offsets.map(({ offset }) => offset)], ['stable', 1, 2, [0n]])
    const producer = logs.consumer.producer({ transactionalId: 'described' })
    await producer.begin()
    await producer.send({ topic, partition: 0, value: Buffer.from('v') })
    await assert.rejects(producer.sendOffsets(member.reference, [{ topic, partition: 0, offset: 0n }]), { code: 'LOG_UNSUPPORTED' })
    await producer.abort()
    await producer.close()
    await member.close()
    assert.equal((await log.admin.describeGroup('described')).members.length, 0)
    await log.admin.resetOffsets('described', [{ topic, partition: 1, offset: 0n }])
  })
}
