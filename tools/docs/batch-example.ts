/** The worked example of docs/formats/record-batch.md, made by the code that writes batches. */
import { BatchWriter, sign, stamp } from '../../src/log/batch/index.ts'

const START = '<!-- example: made by tools/build-docs.ts -->'
const END = '<!-- end of example -->'

export function withBatchExample(page: string): string {
  const from = page.indexOf(START)
  const to = page.indexOf(END)
  return from === -1 || to === -1 ? page : `${page.slice(0, from + START.length)}\n${example()}\n${page.slice(to)}`
}

/** Bytes of each part, and what it says. */
const PARTS: readonly (readonly [bytes: number, what: string])[] = [
  [8, 'base offset 1000'], [4, 'length: 100 bytes follow'], [4, 'leader epoch 3'], [1, 'magic 2'], [4, 'CRC-32C of all that follows'], [2, 'attributes: transactional'],
  [4, 'last offset delta 1'], [8, 'base timestamp 1772344800000'], [8, 'max timestamp 1772344800007'], [8, 'producer id 4711'], [2, 'producer epoch 2'], [4, 'base sequence 40'],
  [4, '2 records'],
  [1, 'record of 21 bytes'], [1, 'attributes'], [1, 'timestamp delta 0'], [1, 'offset delta 0'], [1, 'key of 5 bytes'], [5, '"LH400"'], [1, 'value of 10 bytes'], [10, '"delay: 20m"'],
  [1, 'no headers'],
  [1, 'record of 28 bytes'], [1, 'attributes'], [1, 'timestamp delta 7'], [1, 'offset delta 1'], [1, 'no key (-1)'], [1, 'value of 8 bytes'], [8, '"boarding"'],
  [1, '1 header'], [1, 'name of 4 bytes'], [4, '"gate"'], [1, 'bytes: 8'], [8, '"Terminal"'],
]

function example(): string {
  const writer = new BatchWriter()
  writer.add(Buffer.from('LH400'), Buffer.from('delay: 20m'), [], 1_772_344_800_000)
  writer.add(null, Buffer.from('boarding'), [['gate', Buffer.from('Terminal')]], 1_772_344_800_007)
  const batch = writer.finish()
  stamp(batch, { baseOffset: 1000n, leaderEpoch: 3 })
  sign(batch, { producerId: 4711n, epoch: 2, sequence: 40, transactional: true })
  const lines: string[] = []
  let at = 0
  for (const [bytes, what] of PARTS) {
    lines.push(`${String(at).padStart(3)}  ${hex(batch.subarray(at, at + bytes)).padEnd(31)} ${what}`)
    at += bytes
  }
  if (at !== batch.length) throw new Error(`The example has ${batch.length} bytes, and its parts ${at}.`)
  return `\`\`\`text\n${lines.join('\n')}\n\`\`\``
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
}
