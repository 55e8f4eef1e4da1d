/**
 * A member of a group that reads, commits what it read, and notes each step; also a program of its own, to be killed:
 *
 *     node test/kafka/reader.ts PLACE TOPIC GROUP SESSION_TIMEOUT PROTOCOL        prints its notes as lines
 *
 * A note of what was read is out before it is committed, and one of a commit after its answer came: what was noted as read and not as committed may come again.
 */
import { openLog } from '../../src/log/index.ts'
import type { Fetched, GroupConsumer, Log, TopicPartition } from '../../src/log/index.ts'

export interface ReadNote {
  readonly what: 'read' | 'committed'
  readonly partition: number
  /** First offset, and the one behind the last; of a commit only `to` counts. */
  readonly from: number
  readonly to: number
}

export interface LostNote {
  readonly what: 'joined' | 'lost'
}

export type Note = ReadNote | LostNote

export interface Reading {
  readonly group: string
  readonly topic: string
  readonly sessionTimeout: number
  readonly assignor: 'range' | 'sticky'
}

/** Reads until it is told to leave. What was read is committed before partitions are given back, so that nothing is read twice by those who leave in order. */
export async function readOn(log: Log, { group, topic, sessionTimeout, assignor }: Reading, note: (note: Note) => void, leave: AbortSignal): Promise<void> {
  const pending = new Map<number, bigint>()
  const commit = async (member: GroupConsumer, partitions: readonly TopicPartition[]): Promise<void> => {
    const offsets = partitions.flatMap(({ partition }) => {
      const offset = pending.get(partition)
      return offset === undefined ? [] : [{ topic, partition, offset }]
    })
    await member.commit(offsets)
    for (const { partition, offset } of offsets) {
      if (pending.get(partition) === offset) pending.delete(partition)
      note({ what: 'committed', partition, from: 0, to: Number(offset) })
    }
  }
  const member = log.group({
    group, topics: [topic], sessionTimeout, assignor, maxBytes: 4000, rebalanceTimeout: 20_000,
    onRevoked: partitions => commit(member, partitions),
    onLost: () => {
      pending.clear()
      note({ what: 'lost' })
    },
  })
  await member.join()
  note({ what: 'joined' })
  while (!leave.aborted) {
    const fetched: Fetched[] = await member.fetch({ wait: 100 })
    for (const { partition, from, next } of fetched) {
      pending.set(partition, next)
      note({ what: 'read', partition, from: Number(from), to: Number(next) })
    }
    // What is not this member's any more by now was committed while it was given back, or is lost.
    if (fetched.length > 0) await commit(member, fetched).catch(() => undefined)
  }
  await member.close()
}

const [, program, place = '', topic = '', group = '', sessionTimeout = '', protocol = ''] = process.argv
if (program === import.meta.filename) {
  const log = await openLog(place, { warn: () => undefined, kafka: { groupProtocol: protocol === 'consumer' ? 'consumer' : 'classic' } })
  await readOn(log, { topic, group, sessionTimeout: Number(sessionTimeout), assignor: 'sticky' }, note => process.stdout.write(`${JSON.stringify(note)}\n`), new AbortController().signal)
}
