/** The worked example of docs/formats/checkpoint.md, made by the code that writes checkpoints. */
import { encodeCut } from '../../src/engine/checkpoint/record.ts'

const START = '<!-- example: made by tools/build-docs.ts -->'
const END = '<!-- end of example -->'

export function withCheckpointExample(page: string): string {
  const from = page.indexOf(START)
  const to = page.indexOf(END)
  return from === -1 || to === -1 ? page : `${page.slice(0, from + START.length)}\n${example()}\n${page.slice(to)}`
}

function example(): string {
  const bytes = encodeCut('late-flights', 3, {
    time: 1_772_344_800_000,
    positions: { flights: { path: 'data/flights.ndjson', offset: 4711 } },
    marks: { late: { length: 980 } },
    counters: { in: 19 },
    groups: [{ stage: 'dedupe', table: 'seen', group: 7, bytes: new Uint8Array([1, 2, 3, 4]) }],
  })
  const headLength = bytes.readUInt32LE(12)
  const head = bytes.toString('utf8', 16, 16 + headLength)
  const dump = [
    `${hex(bytes.subarray(0, 4))}   magic`,
    `${hex(bytes.subarray(4, 8))}   length of the body: ${bytes.readUInt32LE(4)}`,
    `${hex(bytes.subarray(8, 12))}   CRC-32 of the body`,
    `${hex(bytes.subarray(12, 16))}   length of the head: ${headLength}`,
    `${hex(bytes.subarray(16, 20))}   ... the head`,
    `${hex(bytes.subarray(16 + headLength))}   group 7 of the table "seen" of the stage "dedupe"`,
  ]
  return `\`\`\`text\n${dump.join('\n')}\n\`\`\`\n\nThe head:\n\n\`\`\`json\n${head}\n\`\`\``
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
}
