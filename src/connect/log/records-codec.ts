/**
 * Records of a log as events: a piece is one or more record batches as the log hands them out, and each record is an event with its key, headers and time.
 *
 * The position of an event is that of its record. A record that is not what `value` says goes to the dead letters with the bytes of its value. Where stages can run over
 * columns, the values go there as lines, and no record becomes an event that needs not (`record-lines.ts`).
 */
import { defineCodec, field } from '../../engine/index.ts'
import type { Decoder } from '../../engine/index.ts'
import { RecordCursor } from '../../log/index.ts'
import { RecordsSlab, decodeRecord, startOf } from './record-events.ts'
import type { RecordsMeta } from './record-events.ts'
import { LogRecordLines } from './record-lines.ts'

function decoder(value: 'json' | 'text'): Decoder {
  // The log has checked the batches when it handed them out.
  const cursor = new RecordCursor({ check: false })
  return {
    ...(value === 'json' ? { columns: true, lines: () => new LogRecordLines() } : {}),
    decode: ({ bytes, source }, from, to, meta, out) => {
      const { topic, partition, from: first } = meta as unknown as RecordsMeta // Made by the source.
      let slab: RecordsSlab | undefined
      let batch = -1
      for (cursor.open(bytes, from, to); cursor.next(); ) {
        const offset = Number(cursor.offset)
        if (cursor.control || offset < first) continue
        if (slab === undefined || batch !== cursor.batchStart) {
          batch = cursor.batchStart
          slab = new RecordsSlab(source, cursor.bytes, topic, partition, offset)
        }
        slab.note(startOf(cursor), offset)
        decodeRecord(slab, cursor, value, out)
      }
    },
  }
}

export const logRecords = defineCodec({
  type: 'log_records',
  summary: 'Records of a log, with key, headers and time',
  config: field.object({
    value: field.choice(['json', 'text'], { default: 'json', description: 'What the value of a record is; `text` becomes {"line": "..."}' }),
  }),
  decoder: config => decoder(config.value),
})
