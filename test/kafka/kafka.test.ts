/** The adapter against a real broker: what every log must do, and what is Kafka's own. One broker serves all of it. */
import { after, test } from 'node:test'
import { conformance } from '../../src/log/conformance/conformance.testing.ts'
import { connectKafka } from '../../src/log/kafka/index.ts'
import { startBroker } from './broker.ts'

const broker = await startBroker()
if (typeof broker === 'string') test('Apache Kafka', { skip: broker }, () => undefined)
else {
  after(() => broker.stop())
  const connect = () => connectKafka(`kafka://${broker.plain}`, { lookEvery: 300 })

  conformance('on Apache Kafka', async () => {
    let log = await connect()
    const other = await connect()
    return {
      log,
      other,
      reopen: async () => {
        await log.close()
        log = await connect()
        return log
      },
      close: async () => {
        await Promise.all([log.close(), other.close()])
      },
    }
  })
}
