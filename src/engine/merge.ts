/**
 * Puts together what the lanes of one level made of one batch, in the order of the batch.
 *
 * Rows of one ticket come from one lane, so sorting by ticket (stable) restores the order whatever the number of lanes.
 */
import { renumberFrame } from './frame.ts'
import type { LaneOutput } from './flight.ts'
import type { SinkRows } from './sink-encoder.ts'

/** One chunk for each sink and target; blocks stay as they are, in the order of the lanes. */
export function mergeSinks(outputs: readonly LaneOutput[]): readonly SinkRows[] {
  const only = outputs[0]
  if (only === undefined) return []
  if (outputs.length === 1) return only.sinks
  const groups = new Map<string, SinkRows[]>()
  const blocks: SinkRows[] = []
  for (const rows of outputs.flatMap(output => output.sinks)) {
    if (rows.block === true) {
      blocks.push(rows)
      continue
    }
    const name = `${rows.sink} ${rows.target}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [rows])
    else group.push(rows)
  }
  return [...[...groups.values()].map(mergeRows), ...blocks]
}

/** Puts the rows of several chunks of one sink and target in the order of their tickets. */
export function mergeRows(parts: readonly SinkRows[]): SinkRows {
  const first = parts[0] as SinkRows // A group has at least one part.
  if (parts.length === 1) return first
  const rows: { part: SinkRows; row: number; ticket: number }[] = []
  for (const part of parts) for (let row = 0; row < part.rows; row++) rows.push({ part, row, ticket: part.tickets?.[row] ?? 0 })
  rows.sort((a, b) => a.ticket - b.ticket)
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0))
  const ends = new Uint32Array(rows.length)
  let at = 0
  for (let index = 0; index < rows.length; index++) {
    const { part, row } = rows[index] as { part: SinkRows; row: number } // The index is inside the array.
    const from = row === 0 ? 0 : (part.ends?.[row - 1] ?? 0)
    const to = part.ends?.[row] ?? part.bytes.length
    bytes.set(part.bytes.subarray(from, to), at)
    at += to - from
    ends[index] = at
  }
  const origins = parts.flatMap(part => part.origins)
  return { ...first, bytes, rows: rows.length, ends, tickets: Uint32Array.from(rows, row => row.ticket), origins }
}

/** Numbers the rows that go on to the next level anew, across all lanes. Answers the frames for each lane of the next level. */
export function mergeFrames(outputs: readonly LaneOutput[], lanes: number): Uint8Array[][] {
  if (outputs.length > 1) renumber(outputs)
  return Array.from({ length: lanes }, (_, lane) => outputs.flatMap(output => output.frames[lane] ?? []))
}

/** Each lane has numbered its rows from 0; `order` tells the input row of each. The number over all lanes is the rank by (input row, own number). */
function renumber(outputs: readonly LaneOutput[]): void {
  const rows: { lane: number; own: number; row: number }[] = []
  outputs.forEach((output, lane) => output.order?.forEach((row, own) => rows.push({ lane, own, row })))
  rows.sort((a, b) => a.row - b.row)
  const numbers = outputs.map(output => new Uint32Array(output.order?.length ?? 0))
  rows.forEach(({ lane, own }, number) => {
    const of = numbers[lane]
    if (of !== undefined) of[own] = number
  })
  outputs.forEach((output, lane) => {
    for (const frame of output.frames) if (frame !== undefined) renumberFrame(frame, own => numbers[lane]?.[own] ?? 0)
  })
}
