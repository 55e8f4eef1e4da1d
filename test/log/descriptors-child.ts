/** Opens a log in a process that may hold few files, makes topics until it can't, and says what still works. */
import { SluiceError } from '../../src/base/index.ts'
import { bytes } from '../../src/log/conformance/trial.testing.ts'
import { readAll } from './inspect.ts'
import { openReal } from './open.ts'

const [folder = ''] = process.argv.slice(2)
const { log } = await openReal(folder)
await log.admin.createTopics([{ name: 'first', partitions: 2 }])
const producer = log.producer()
await producer.send({ topic: 'first', partition: 0, value: bytes('before') })

let made = 0
let code: string | undefined
for (; made < 500 && code === undefined; made++) {
  await log.admin.createTopics([{ name: `more-${made}`, partitions: 4 }]).catch((error: unknown) => {
    code = error instanceof SluiceError ? error.code : `not of the registry: ${String(error)}`
  })
}
const topics = (await log.admin.listTopics()).length
const acks = await Promise.all(Array.from({ length: 50 }, (_, index) => producer.send({ topic: 'first', partition: index % 2, value: bytes(`after ${index}`) })))
const [gone = ''] = (await log.admin.listTopics()).filter(name => name.startsWith('more-'))
await log.admin.deleteTopics([gone])
await log.admin.createTopics([{ name: 'again', partitions: 1 }])
const seen = (await readAll(log, { topic: 'first', partition: 0 })).length + (await readAll(log, { topic: 'first', partition: 1 })).length
await log.close()
console.log(JSON.stringify({ code, made, topics, acks: acks.length, seen }))
