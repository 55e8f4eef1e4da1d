/** A member against a coordinator whose answers are written down: what it has when the group drops it in the middle of a round. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { heartbeatV4, joinGroupV7, syncGroupV5 } from '@platformatic/kafka'
import { SimulatedClock } from '../../platform/index.ts'
import type { TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { BROKER } from './errors.ts'
import { encodeAssignment } from './group-wire.ts'
import { Membership } from './membership.ts'

const at = (partition: number): TopicPartition => ({ topic: 't', partition })

/** A group of one member that this test can see. It leads nothing; its shares come from `share`. */
class Group {
  readonly clock = new SimulatedClock()
  readonly told: string[] = []
  /** What signs of life are answered. */
  beat: number = BROKER.NONE
  /** What the next round gives. */
  share: readonly number[] = []
  /** What the member has, and what of that it is giving back. */
  readonly held = new Set<number>()
  readonly leaving = new Set<number>()
  /** Called while a share is taken. */
  whileTaking: () => void = () => undefined
  /** Ends the giving back that is under way. */
  release: () => void = () => undefined
  readonly member: Membership
  #ids = 0
  #known = ''

  constructor(assignor: 'range' | 'sticky') {
    const link = { request: (api: unknown, ...args: readonly unknown[]) => Promise.resolve(this.#answer(api, args)) }
    const cluster = {
      clock: this.clock, options: { lookEvery: 1e9 }, requestTimeout: 1000, warn: () => undefined,
      links: () => ({ drop: () => undefined, close: () => Promise.resolve() }),
      look: () => Promise.resolve([{ name: 't', leaders: [0, 0, 0, 0] }]),
      persist: (_call: unknown, _what: string, work: () => Promise<unknown>) => work(),
      atCoordinator: (_kind: string, _key: string, work: (to: typeof link) => Promise<unknown>) => work(link),
    } as unknown as Cluster // What a member uses of it.
    this.member = new Membership(cluster, { group: 'g', topics: ['t'], assignor, sessionTimeout: 3000 }, {
      owned: () => [...this.held].filter(one => !this.leaving.has(one)).map(at),
      held: () => [...this.held].map(at),
      isBusy: () => true,
      revoke: partitions => this.#revoke(partitions),
      assign: partitions => {
        this.#tell('got', partitions)
        for (const { partition } of partitions) this.held.add(partition)
        this.whileTaking()
        return Promise.resolve()
      },
      lose: partitions => {
        this.#tell('lost', partitions)
        for (const { partition } of partitions) this.held.delete(partition)
      },
    })
  }

  #answer(api: unknown, args: readonly unknown[]): unknown {
    if (api === heartbeatV4.api) return { errorCode: this.beat }
    if (api === syncGroupV5.api) return { errorCode: BROKER.NONE, assignment: encodeAssignment({ partitions: this.share.map(at), hasMoreToCome: false }) }
    if (api !== joinGroupV7.api) return { errorCode: BROKER.NONE }
    const id = args[3]
    if (id !== '' && id !== this.#known) return { errorCode: BROKER.UNKNOWN_MEMBER_ID, memberId: '', members: [] }
    if (id === '') this.#known = `member-${++this.#ids}`
    this.told.push(`${this.#known} joins`)
    return { errorCode: BROKER.NONE, memberId: this.#known, generationId: this.#ids, leader: 'another', protocolName: null, members: [] }
  }

  #tell(what: string, partitions: readonly TopicPartition[]): void {
    if (partitions.length > 0) this.told.push(`${what} ${partitions.map(({ partition }) => partition).join(' ')}`)
  }

  async #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    this.#tell('gives back', partitions)
    for (const { partition } of partitions) this.leaving.add(partition)
    await new Promise<void>(resolve => (this.release = resolve))
    for (const { partition } of partitions) {
      this.leaving.delete(partition)
      this.held.delete(partition)
    }
  }

  /** The coordinator goes on without the member. */
  drop(): void {
    this.#known = ''
    this.beat = BROKER.UNKNOWN_MEMBER_ID
  }

  async joined(...share: readonly number[]): Promise<void> {
    this.share = share
    await this.member.join()
    assert.deepEqual(this.told.splice(0), ['member-1 joins', `got ${share.join(' ')}`])
  }
}

test('what a member is still giving back when the group drops it is lost, once, and it joins as somebody new', async () => {
  const group = new Group('range')
  await group.joined(0, 1)
  group.beat = BROKER.REBALANCE_IN_PROGRESS
  await group.clock.advance(1000)
  assert.deepEqual(group.told, ['gives back 0 1'])
  const had = group.member.member
  group.drop()
  await group.clock.advance(5000)
  assert.deepEqual(group.told.splice(0), ['gives back 0 1', 'lost 0 1'])
  assert.deepEqual([group.member.id, group.member.member], ['', had])
  Object.assign(group, { share: [1], beat: BROKER.NONE })
  group.release()
  await group.clock.advance(1000)
  assert.deepEqual([group.told, group.member.isMember(), group.member.isStale], [['member-2 joins', 'got 1'], true, false])
  await group.member.close()
})

test('a member that is dropped while it gives part of its share back does not take the rest of a share that is void', async () => {
  const group = new Group('sticky')
  await group.joined(0, 1)
  group.share = [1, 2]
  group.beat = BROKER.REBALANCE_IN_PROGRESS
  await group.clock.advance(1000)
  assert.deepEqual(group.told, ['member-1 joins', 'gives back 0'])
  group.drop()
  await group.clock.advance(1000)
  assert.deepEqual(group.told.splice(0), ['member-1 joins', 'gives back 0', 'lost 0 1'])
  Object.assign(group, { share: [3], beat: BROKER.NONE })
  group.release()
  await group.clock.advance(1000)
  assert.deepEqual([group.told, group.member.isMember()], [['member-2 joins', 'got 3'], true])
  await group.member.close()
})

test('a member that leaves while its share is being taken is none when that is done', async () => {
  const group = new Group('range')
  group.share = [0]
  group.whileTaking = () => void group.member.leave()
  await assert.rejects(group.member.join(), { code: 'ABORTED' })
  assert.equal(group.member.isMember(), false)
  await group.member.close()
})
