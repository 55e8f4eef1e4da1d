/** Puts together what both paths made of one batch: the columns' rows, and those of the object path. */
import type { BufferPool } from '../buffers.ts'
import type { SinkRows } from '../sink-encoder.ts'
import type { FastRows } from './runner.ts'

interface Ways {
  readonly quick: FastRows[]
  readonly slow: SinkRows[]
}

/**
 * One chunk for each sink and target: the rows of both ways in the order of the batch, and chunks in the order of their first rows. `blocks` has the sinks that take blocks: their
 * rows have one target, which is told of the batch as a whole, and need their ends.
 */
export function mergeFast(
  fast: readonly FastRows[],
  slow: readonly SinkRows[],
  merge: (parts: readonly SinkRows[]) => SinkRows,
  pool: BufferPool,
  blocks: { has(sink: number): boolean },
): SinkRows[] {
  const bySink = new Map<number, Map<string, Ways>>()
  const waysOf = ({ sink, target: name }: { readonly sink: number; readonly target: string }): Ways => {
    const target = blocks.has(sink) ? '' : name
    let targets = bySink.get(sink)
    if (targets === undefined) bySink.set(sink, (targets = new Map<string, Ways>()))
    let ways = targets.get(target)
    if (ways === undefined) targets.set(target, (ways = { quick: [], slow: [] }))
    return ways
  }
  for (const rows of fast) waysOf(rows).quick.push(rows)
  for (const rows of slow) waysOf(rows).slow.push(rows)
  const result: SinkRows[] = []
  for (const [sink, targets] of bySink) {
    const ways = [...targets.values()]
    if (ways.length > 1) ways.sort((a, b) => firstTicket(a) - firstTicket(b))
    for (const one of ways) result.push(...together(one, merge, pool, blocks.has(sink)))
  }
  return result
}

function firstTicket({ quick, slow }: Ways): number {
  return Math.min(...[...quick, ...slow].map(({ tickets }) => tickets?.[0] ?? 0))
}

function together({ quick, slow }: Ways, merge: (parts: readonly SinkRows[]) => SinkRows, pool: BufferPool, wantsEnds: boolean): SinkRows[] {
  if (quick.length === 0) return slow
  if (slow.length === 0) return [joined(quick, pool, wantsEnds)]
  const merged = merge([...quick.map(asSinkRows), ...slow])
  for (const rows of [...quick, ...slow]) if (rows.shared !== true) pool.give(rows.bytes.buffer)
  return [merged]
}

function asSinkRows({ sink, target, bytes, ends, tickets }: FastRows): SinkRows {
  return { sink, target, bytes, rows: tickets.length, ends: Uint32Array.from(ends), tickets: Uint32Array.from(tickets), origins: [] }
}

function joined(parts: readonly FastRows[], pool: BufferPool, wantsEnds: boolean): SinkRows {
  const { sink, target, bytes: firstBytes, ends: firstEnds, shared } = parts[0] as FastRows // There is at least one.
  const rows = parts.reduce((sum, part) => sum + part.tickets.length, 0)
  const base = { sink, target, rows, tickets: undefined, origins: [] }
  if (parts.length === 1) return { ...base, bytes: firstBytes, ends: wantsEnds ? Uint32Array.from(firstEnds) : undefined, ...(shared === true ? { shared } : {}) }
  const bytes = pool.take(parts.reduce((sum, part) => sum + part.bytes.length, 0))
  const ends = wantsEnds ? new Uint32Array(rows) : undefined
  let at = 0
  let row = 0
  for (const part of parts) {
    bytes.set(part.bytes, at)
    if (ends !== undefined) for (const end of part.ends) ends[row++] = at + end
    at += part.bytes.length
    if (part.shared !== true) pool.give(part.bytes.buffer)
  }
  return { ...base, bytes, ends }
}
