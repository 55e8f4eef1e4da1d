/**
 * Where everything lies in the kernel's memory.
 *
 * The host reserves one block per array when it makes the instance and hands over the addresses once; nothing moves afterwards and the kernel never
 * allocates. Each array has a margin behind it, so that sixteen bytes can be read or written at a time without a check at its end.
 */

/** The slab of bytes that is scanned. */
export let input: usize = 0
/** A bit for each byte of the slab: set where an unescaped quote or a newline is. */
export let marks: usize = 0
/** Positions of the escapes and of the control characters other than newline, in order. */
export let suspects: usize = 0

export let lineStart: usize = 0
export let lineEnd: usize = 0
export let status: usize = 0

/** Columns: array `field` of each kind begins `field * stride` elements behind the first. */
export let starts: usize = 0
export let ends: usize = 0
export let kinds: usize = 0
export let numbers: usize = 0
export let stride: u32 = 0
export let rowsMax: u32 = 0
export let fields: u32 = 0

/** Wanted keys as a tree, see plan.ts: `nodes[n]` is the first entry of node n. */
export let nodes: usize = 0
export let entries: usize = 0
export let keys: usize = 0
/** One number per entry: the line in which it was last met. */
export let seen: usize = 0
/** The learnt shapes of lines, see shape.as.ts. */
export let shapes: usize = 0

export const ENTRY_BYTES: usize = 24

export const POWERS_OF_TEN = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
])

/** First address that the host may use. */
export function heapBase(): usize {
  return __heap_base
}

export function placeSlab(inputAt: usize, marksAt: usize, suspectsAt: usize, shapesAt: usize): void {
  input = inputAt
  marks = marksAt
  suspects = suspectsAt
  shapes = shapesAt
}

export function placeRows(lineStartAt: usize, lineEndAt: usize, statusAt: usize, rows: u32): void {
  lineStart = lineStartAt
  lineEnd = lineEndAt
  status = statusAt
  rowsMax = rows
}

export function placeColumns(startsAt: usize, endsAt: usize, kindsAt: usize, numbersAt: usize, columnStride: u32, count: u32): void {
  starts = startsAt
  ends = endsAt
  kinds = kindsAt
  numbers = numbersAt
  stride = columnStride
  fields = count
}

export function placePlan(nodesAt: usize, entriesAt: usize, keysAt: usize, seenAt: usize): void {
  nodes = nodesAt
  entries = entriesAt
  keys = keysAt
  seen = seenAt
}

// @ts-ignore: a decorator of AssemblyScript
@inline
export function putField(field: u32, row: u32, kind: u8, start: usize, end: usize): void {
  const at = field * stride + row
  store<u8>(kinds + at, kind)
  store<u32>(starts + (at << 2), <u32>(start - input))
  store<u32>(ends + (at << 2), <u32>(end - input))
}

// @ts-ignore: a decorator of AssemblyScript
@inline
export function putNumber(field: u32, row: u32, value: f64): void {
  store<f64>(numbers + ((field * stride + row) << 3), value)
}
