/** A member of the newer protocol against a coordinator whose answers are written down. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { consumerGroupHeartbeatV0 } from '@platformatic/kafka'
import { SimulatedClock } from '../../platform/index.ts'
import type { TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { BROKER } from './errors.ts'
import { HeartbeatMembership } from './heartbeat-membership.ts'

const at = (partition: number): TopicPartition => ({ topic: 't', partition })
const words = (what: string, partitions: readonly TopicPartition[]): string => `${what} ${partitions.map(({ partition }) => partition).join(' ')}`

test('what a member is still giving back when the group drops it is lost, once, and it takes nothing of that share any more', async () => {
  const clock = new SimulatedClock()
  const told: string[] = []
  const held = new Set<number>()
  let share = [0, 1]
  let error: number = BROKER.NONE
  let release = (): void => undefined
  const link = {
    request: (api: unknown, _group: string, _id: string, epoch: number) => {
      assert.equal(api, consumerGroupHeartbeatV0.api)
      if (epoch === 0) told.push('joins')
      return Promise.resolve({ errorCode: error, errorMessage: null, memberId: 'm', memberEpoch: 1, heartbeatIntervalMs: 1000, assignment: { topicPartitions: [{ topicId: 'id', partitions: share }] } })
    },
  }
  const cluster = {
    clock, options: {}, warn: () => undefined, links: () => ({ close: () => Promise.resolve() }),
    look: () => Promise.resolve([{ name: 't', id: 'id' }]), topic: () => Promise.resolve({ id: 'id' }),
    persist: (_call: unknown, _what: string, work: () => Promise<unknown>) => work(),
    atCoordinator: (_kind: string, _key: string, work: (to: typeof link) => Promise<unknown>) => work(link),
  } as unknown as Cluster // What a member uses of it.
  const leaving = new Set<number>()
  const member = new HeartbeatMembership(cluster, { group: 'g', topics: ['t'], sessionTimeout: 3000 }, {
    owned: () => [...held].filter(one => !leaving.has(one)).map(at),
    held: () => [...held].map(at),
    isBusy: () => true,
    revoke: async partitions => {
      told.push(words('gives back', partitions))
      for (const { partition } of partitions) leaving.add(partition)
      await new Promise<void>(resolve => (release = resolve))
    },
    assign: partitions => {
      if (partitions.length > 0) told.push(words('got', partitions))
      for (const { partition } of partitions) held.add(partition)
      return Promise.resolve()
    },
    lose: partitions => {
      told.push(words('lost', partitions))
      for (const { partition } of partitions) held.delete(partition)
    },
  })
  await member.join()
  share = [1, 2]
  await clock.advance(1000)
  assert.deepEqual(told.splice(0), ['joins', 'got 0 1', 'gives back 0'])
  error = BROKER.UNKNOWN_MEMBER_ID
  await clock.advance(5000)
  release()
  await clock.advance(5000)
  assert.deepEqual([told, member.isLost()], [['lost 0 1'], true])
  await member.close()
})
