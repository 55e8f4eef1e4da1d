/**
 * Writes small Parquet files for tests: required columns, plain encoding, no compression, one page for each column of a row group.
 *
 * Layout by the Parquet format's specification (apache/parquet-format): magic, pages, footer in Thrift's compact protocol, its length, magic.
 */
type Value = readonly [type: 'i32' | 'i64', value: number] | readonly [type: 'text', value: string] | readonly [type: 'struct', fields: Struct] | readonly [type: 'list', items: readonly Value[]]
type Struct = Readonly<Record<number, Value>>

const TYPES = { i32: 5, i64: 6, text: 8, list: 9, struct: 12 } as const

function varint(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) + 128)
  }
}

function valueBytes([type, value]: Value): number[] {
  switch (type) {
    case 'i32':
    case 'i64':
      return varint(value * 2)
    case 'text':
      return [...varint(Buffer.byteLength(value)), ...Buffer.from(value)]
    case 'struct':
      return structBytes(value)
    case 'list':
      return [value.length * 16 + TYPES[value[0]?.[0] ?? 'i32'], ...value.flatMap(valueBytes)]
  }
}

function structBytes(fields: Struct): number[] {
  let last = 0
  const bytes = Object.entries(fields).flatMap(([number, value]) => {
    const header = (Number(number) - last) * 16 + TYPES[value[0]]
    last = Number(number)
    return [header, ...valueBytes(value)]
  })
  return [...bytes, 0]
}

export type ParquetColumn = readonly bigint[] | readonly number[] | readonly string[]

/** INT64, DOUBLE and UTF-8 columns. */
function physical(column: ParquetColumn): number {
  return typeof column[0] === 'bigint' ? 2 : typeof column[0] === 'number' ? 5 : 6
}

function plain(column: ParquetColumn): Buffer {
  const parts = column.map(value => {
    if (typeof value === 'string') {
      const text = Buffer.from(value)
      const length = Buffer.alloc(4)
      length.writeUInt32LE(text.length)
      return Buffer.concat([length, text])
    }
    const bytes = Buffer.alloc(8)
    if (typeof value === 'bigint') bytes.writeBigInt64LE(value)
    else bytes.writeDoubleLE(value)
    return bytes
  })
  return Buffer.concat(parts)
}

/** The bytes of a file; each group holds the same columns. */
export function parquetFile(groups: readonly Readonly<Record<string, ParquetColumn>>[]): Buffer {
  const parts: Buffer[] = [Buffer.from('PAR1')]
  let at = 4
  const rowGroups = groups.map((group): Value => {
    let groupRows = 0
    const chunks = Object.entries(group).map(([name, column]): Value => {
      groupRows = column.length
      const data = plain(column)
      const header: Struct = { 1: ['i32', 0], 2: ['i32', data.length], 3: ['i32', data.length], 5: ['struct', { 1: ['i32', column.length], 2: ['i32', 0], 3: ['i32', 3], 4: ['i32', 3] }] }
      const page = Buffer.concat([Buffer.from(structBytes(header)), data])
      const metadata: Struct = {
        1: ['i32', physical(column)], 2: ['list', [['i32', 0]]], 3: ['list', [['text', name]]], 4: ['i32', 0], 5: ['i64', column.length], 6: ['i64', page.length], 7: ['i64', page.length], 9: ['i64', at],
      }
      parts.push(page)
      at += page.length
      return ['struct', { 2: ['i64', at - page.length], 3: ['struct', metadata] }]
    })
    return ['struct', { 1: ['list', chunks], 2: ['i64', at], 3: ['i64', groupRows] }]
  })
  const [first = {}] = groups
  const columns = Object.entries(first).map(([name, column]): Value => ['struct', { 1: ['i32', physical(column)], 3: ['i32', 0], 4: ['text', name], ...(physical(column) === 6 ? { 6: ['i32', 0] as const } : {}) }])
  const rows = groups.reduce((sum, group) => sum + (Object.values(group)[0]?.length ?? 0), 0)
  const schema: Value = ['list', [['struct', { 4: ['text', 'root'], 5: ['i32', columns.length] }], ...columns]]
  const footer = Buffer.from(structBytes({ 1: ['i32', 1], 2: schema, 3: ['i64', rows], 4: ['list', rowGroups] }))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([...parts, footer, length, Buffer.from('PAR1')])
}
