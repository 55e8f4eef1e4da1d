/**
 * Writes to a log until it is killed, and says what it does before and after: one line per call, written before anything else happens.
 *
 *     > NAME VALUE AT [TX]   a send begins        < VALUE OFFSET   it was acknowledged
 *     ( TX   a transaction begins      ! TX   its commit is called      ) TX   it is committed      x TX   it is aborted
 */
import { writeSync } from 'node:fs'
import { bytes } from '../../src/log/conformance/trial.testing.ts'
import type { Log, Producer } from '../../src/log/index.ts'
import { openReal } from './open.ts'
import { MOVED, PLAIN } from './workload.ts'

const [folder = '', life = ''] = process.argv.slice(2)
const say = (line: string): void => void writeSync(1, `${line}\n`)
let count = 0

async function send(producer: Producer, name: string, topic: string, partition: number, transaction = ''): Promise<void> {
  const value = `${life}-${name}-${++count}-`.padEnd(30 + (count * 7919) % 900, 'x')
  say(`> ${life}${name} ${value} ${topic}/${partition} ${transaction}`)
  const { offset } = await producer.send({ topic, partition, value: bytes(value) })
  say(`< ${value} ${offset}`)
}

async function plain(log: Log): Promise<never> {
  const producer = log.producer({ compression: 'lz4' })
  for (;;) await Promise.all(Array.from({ length: 20 }, (_, index) => send(producer, 'p', PLAIN, index % 2)))
}

async function transactions(log: Log): Promise<never> {
  const producer = log.producer({ transactionalId: 'mover' })
  for (let number = 1; ; number++) {
    const name = `${life}-tx${number}`
    say(`( ${name}`)
    await producer.begin()
    await Promise.all([0, 1, 0, 1, 0].map(partition => send(producer, 't', MOVED, partition, name)))
    if (number % 4 === 0) {
      await producer.abort()
      say(`x ${name}`)
    } else {
      say(`! ${name}`)
      await producer.commit()
      say(`) ${name}`)
    }
  }
}

const { log } = await openReal(folder)
const settings = { segmentBytes: 1 << 16 }
if (!(await log.admin.listTopics()).includes(PLAIN)) await log.admin.createTopics([{ name: PLAIN, partitions: 2, settings }, { name: MOVED, partitions: 2, settings }])
say('ready')
await Promise.all([plain(log), transactions(log)])
