/** The jobs of bench/pipelines/JOBS.md written by hand on columns: what the planner should come close to. */
import type { Columns, Output } from '../../src/event/kernel/index.ts'
import { createScanner, NUMBER, OK, STRING } from '../../src/event/kernel/index.ts'

export interface Device {
  readonly id: string
  readonly owner: string
  readonly region: string
}

export interface KernelJob {
  readonly columns: Columns
  /** Runs the job on the first `rows` rows; the output lies in `output`. */
  run(rows: number): void
  readonly output: Output
}

const OUTPUT_BYTES = 2 << 20

/** Filter and project. */
export function filterJob(engine: 'wasm' | 'js'): KernelJob {
  const columns = createScanner([['type'], ['temperature'], ['id'], ['loc', 'site']], { engine })
  const output = columns.newOutput(OUTPUT_BYTES)
  const isSensor = columns.newMask()
  const rows = columns.newRows()
  const rest = columns.newRows()
  const fahrenheit = columns.newNumbers()
  const program = columns.compile([
    { op: 'literal', text: '{"id":' },
    { op: 'raw', field: 2 },
    { op: 'literal', text: ',"site":' },
    { op: 'raw', field: 3 },
    { op: 'literal', text: ',"temperature":' },
    { op: 'raw', field: 1 },
    { op: 'literal', text: ',"temp_f":' },
    { op: 'number', values: fahrenheit },
    { op: 'literal', text: '}' },
  ])
  const { kind, number } = columns.field(1)
  const { status } = columns
  return {
    columns,
    output,
    run(n) {
      columns.equals(0, 'sensor', n, isSensor)
      let count = 0
      for (let row = 0; row < n; row++) {
        const temperature = number[row] ?? 0
        if (isSensor[row] !== 1 || status[row] !== OK || kind[row] !== NUMBER || temperature <= 25) continue
        fahrenheit[row] = temperature * 1.8 + 32
        rows[count++] = row
      }
      const fit = columns.split(program, rows, count, rows, rest)
      output.length = 0
      output.rows = 0
      columns.emit(program, rows, 0, fit, output)
    },
  }
}

/** Check, enrich and mask. Rows that break a rule are emitted as they came. */
export function enrichJob(engine: 'wasm' | 'js', devices: readonly Device[]): KernelJob {
  const columns = createScanner(
    [['type'], ['temperature'], ['id'], ['ts'], ['device', 'id'], ['humidity'], ['status'], ['email'], ['owner'], ['region']],
    { engine },
  )
  const [type, temperature, id, ts, device, humidity, status] = [0, 1, 2, 3, 4, 5, 6].map((field) => columns.field(field))
  if (!type || !temperature || !id || !ts || !device || !humidity || !status) throw new Error('A column is missing.')
  const output = columns.newOutput(OUTPUT_BYTES)
  const isSensor = columns.newMask()
  const isWeb = columns.newMask()
  const good = columns.newRows()
  const bad = columns.newRows()
  const rest = columns.newRows()
  const ids = columns.newRows()
  const owners = columns.newDictionary()
  const regions = columns.newDictionary()
  for (const { id: key, owner, region } of devices) {
    owners.add(key, JSON.stringify(owner))
    regions.add(key, JSON.stringify(region))
  }
  const program = columns.compile([
    {
      op: 'edit',
      edits: [
        { edit: 'set', field: 7, value: [{ op: 'mask', field: 7, first: 1, fill: '***', from: '@' }] },
        { edit: 'set', field: 8, value: [{ op: 'entry', ids, dictionary: owners }] },
        { edit: 'set', field: 9, value: [{ op: 'entry', ids, dictionary: regions }] },
      ],
    },
  ])
  const asIs = columns.compile([{ op: 'line' }])
  const within = (field: typeof type, row: number, low: number, high: number): boolean => {
    const value = field.number[row] ?? 0
    return field.kind[row] === NUMBER && value >= low && value <= high
  }
  return {
    columns,
    output,
    run(n) {
      columns.equals(0, 'sensor', n, isSensor)
      columns.equals(0, 'web', n, isWeb)
      columns.lookup(4, owners, n, ids)
      let count = 0
      let badCount = 0
      for (let row = 0; row < n; row++) {
        const known = (ids[row] ?? -1) >= 0 && id.kind[row] === STRING && ts.kind[row] === NUMBER
        const valid = isSensor[row] === 1
          ? within(temperature, row, -50, 60) && within(humidity, row, 0, 100)
          : isWeb[row] === 1 && within(status, row, 100, 599)
        if (known && valid) good[count++] = row
        else bad[badCount++] = row
      }
      const fit = columns.split(program, good, count, good, rest)
      output.length = 0
      output.rows = 0
      columns.emit(program, good, 0, fit, output)
      columns.emit(asIs, bad, 0, badCount, output)
    },
  }
}
