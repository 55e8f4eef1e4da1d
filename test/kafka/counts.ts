/** What lies in the two partitions of a topic. */
import { recordsOf } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'

/** How often each `n` is in the topic. */
export async function countsIn(log: Log, topic: string): Promise<Map<number, number>> {
  const ends = await log.admin.offsets([0, 1].map(partition => ({ topic, partition, start: 'latest' as const })))
  const consumer = log.consumer()
  await consumer.assign(ends.map(({ partition }) => ({ topic, partition, start: 'earliest' as const })))
  const counts = new Map<number, number>()
  while (ends.some(({ partition, offset }) => (consumer.position({ topic, partition }) ?? 0n) < offset)) {
    for (const { value } of (await consumer.fetch({ wait: 100 })).flatMap(({ bytes }) => [...recordsOf(bytes)])) {
      const { n } = JSON.parse(Buffer.from(value ?? []).toString()) as { n: number } // Written by the tests.
      counts.set(n, (counts.get(n) ?? 0) + 1)
    }
  }
  await consumer.close()
  return counts
}
