/** A stage that waits for the outside as long as it is told: so much for a call, whatever else the machine does. */
import { defineStage, field } from '../../../src/engine/index.ts'

export default defineStage({
  type: 'wait',
  summary: 'Waits',
  config: field.object({ time: field.duration() }),
  waits: true,
  create: ({ time }, { sleep }) => ({
    process: async (events, out) => {
      for (const event of events) {
        await sleep(time)
        out.emit(event)
      }
    },
  }),
})
