/**
 * The columns on the WebAssembly kernel: reserves its memory, writes the plan and the programs into it, and offers its arrays as typed arrays.
 *
 * One instance serves one thread. Nothing here is done per row except where a row needs the host: numbers that the kernel can't convert exactly,
 * strings with escapes, and lines of a slab that is not UTF-8.
 */
import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import { Arena } from './arena.ts'
import { KERNEL } from './binary.ts'
import type { Columns, ColumnsOptions, Dictionary, Field, Output, Program } from './columns.ts'
import type { EmitOp } from './emit-ops.ts'
import { KernelDictionary } from './dictionary.ts'
import { ProgramEncoder } from './encode-program.ts'
import { ESCAPED, ROOM_BYTES, ROWS_MAX, SLAB_BYTES } from './columns.ts'
import { planTree } from './plan.ts'
import type { Need } from './program.ts'
import { needsOf, splitRows } from './program.ts'
import { checkPaths, convertInexact, problemOf, readValue, rejectInvalidUtf8 } from './rows.ts'

/** What the kernel exports. Addresses are numbers. */
export interface KernelExports {
  heapBase(): number
  shapeBytes(): number
  forgetShapes(): void
  placeSlab(input: number, marks: number, suspects: number, shapes: number): void
  placeRows(lineStart: number, lineEnd: number, status: number, rowsMax: number): void
  placeColumns(starts: number, ends: number, kinds: number, numbers: number, stride: number, fields: number): void
  placePlan(nodes: number, entries: number, keys: number, seen: number): void
  scan(length: number): number
  resume(): number
  consumed(): number
  blankLines(): number
  inexactNumbers(): number
  equals(field: number, rows: number, literal: number, length: number, mask: number): number
  lookup(field: number, rows: number, table: number, ids: number): number
  find(table: number, key: number, length: number): number
  enter(table: number, from: number, to: number): void
  emit(program: number, ops: number, selection: number, from: number, until: number, out: number, limit: number, rowEnds: number, base: number): number
  emitted(): number
}

const ENTRY_BYTES = 24
/** What the compiler placed lies below this address. */
const RESERVED = 1 << 16
/** Behind the slab: the last block of the first pass, and wide reads. */
const SLAB_MARGIN = 256
/** Behind an output: copies and numbers scribble on. */
const OUTPUT_MARGIN = 128

let compiled: WebAssembly.Module | undefined

/** Whether this runtime can run the kernel. */
export function hasKernel(): boolean {
  return compiled !== undefined || WebAssembly.validate(Buffer.from(KERNEL, 'base64'))
}

export class WasmColumns implements Columns {
  readonly input: Uint8Array
  readonly rowsMax: number
  readonly paths: readonly (readonly string[])[]
  readonly lineStart: Int32Array
  readonly lineEnd: Int32Array
  readonly status: Uint8Array
  skipped = 0
  readonly #kernel: KernelExports
  readonly #arena: Arena
  readonly #buffer: Buffer
  readonly #fields: Field[]
  readonly #encoder: ProgramEncoder
  readonly #programs = new WeakMap<Program, { readonly needs: readonly Need[]; readonly at: number }>()
  readonly #literals = new Map<string, readonly [number, number]>()
  readonly #unfit: Uint8Array
  #isUtf8 = true

  constructor(paths: readonly (readonly string[])[], options: ColumnsOptions = {}) {
    checkPaths(paths)
    this.paths = paths
    const slabBytes = options.slabBytes ?? SLAB_BYTES
    const rowsMax = options.rowsMax ?? ROWS_MAX
    this.rowsMax = rowsMax
    // Columns of different fields must not fall on the same cache sets: their distance is no power of two.
    const stride = rowsMax + 272
    const size = slabBytes * 6 + rowsMax * 9 + stride * 17 * paths.length + paths.length * 4096 + (1 << 18)
    const arena = new Arena(RESERVED, size + (options.roomBytes ?? ROOM_BYTES))
    this.#arena = arena
    compiled ??= new WebAssembly.Module(Buffer.from(KERNEL, 'base64'))
    this.#kernel = new WebAssembly.Instance(compiled, { env: { memory: arena.memory, format: (value: number, to: number) => this.#format(value, to) } }).exports as unknown as KernelExports // The kernel's sources declare them so.
    if (this.#kernel.heapBase() > RESERVED) throw new SluiceError('INTERNAL', 'The kernel places more than is reserved for it.')

    const input = arena.take(slabBytes + SLAB_MARGIN)
    this.#kernel.placeSlab(input, arena.take((slabBytes >> 3) + 1024), arena.take(slabBytes * 4 + 1024), arena.take(this.#kernel.shapeBytes()))
    this.#kernel.forgetShapes()
    this.input = arena.bytesAt(input, slabBytes)
    this.#buffer = Buffer.from(arena.memory.buffer, input, slabBytes)
    this.lineStart = this.newRows()
    this.lineEnd = this.newRows()
    this.status = this.newMask()
    this.#kernel.placeRows(this.lineStart.byteOffset, this.lineEnd.byteOffset, this.status.byteOffset, rowsMax)
    this.#unfit = this.newMask()
    this.#encoder = new ProgramEncoder(arena, paths)
    this.#fields = this.#placeColumns(stride)
    this.#placePlan()
  }

  get consumed(): number {
    return this.#kernel.consumed()
  }

  scan(length: number): number {
    if (length > this.input.length) throw new SluiceError('INTERNAL', `A slab of ${length} bytes does not fit in ${this.input.length}.`)
    this.#isUtf8 = isUtf8(this.input.subarray(0, length))
    return this.#finish(this.#kernel.scan(length))
  }

  resume(): number {
    return this.#finish(this.#kernel.resume())
  }

  field(index: number): Field {
    const field = this.#fields[index]
    if (field === undefined) throw new SluiceError('INTERNAL', `There is no column ${index}.`)
    return field
  }

  text(field: number, row: number): string {
    const { start, end, kind } = this.field(field)
    return kind[row] === 0 ? '' : this.#buffer.toString('utf8', start[row], end[row])
  }

  value(field: number, row: number): unknown {
    return readValue(this.#buffer, this.field(field), row)
  }

  line(row: number): string {
    return this.#buffer.toString('utf8', this.lineStart[row], this.lineEnd[row])
  }

  problem(row: number): string {
    return problemOf(this.input.subarray(this.lineStart[row], this.lineEnd[row]))
  }

  newMask(): Uint8Array {
    return this.#arena.bytesAt(this.#arena.take(this.rowsMax), this.rowsMax)
  }

  newRows(): Int32Array {
    return new Int32Array(this.#arena.memory.buffer, this.#arena.take(this.rowsMax * 4), this.rowsMax)
  }

  newNumbers(): Float64Array {
    return new Float64Array(this.#arena.memory.buffer, this.#arena.take(this.rowsMax * 8), this.rowsMax)
  }

  newOutput(bytes: number, withEnds = false): Output {
    return { bytes: this.#arena.bytesAt(this.#arena.take(bytes + OUTPUT_MARGIN), bytes), length: 0, ends: withEnds ? this.newRows() : undefined, rows: 0 }
  }

  newDictionary(): Dictionary {
    return new KernelDictionary(this.#arena, this.#kernel)
  }

  equals(field: number, literal: string, rows: number, mask: Uint8Array): void {
    const { kind } = this.field(field)
    const [at, length] = this.#literal(literal)
    if (this.#kernel.equals(field, this.#countOf(rows), at, length, this.#encoder.addressOf(mask)) === 0) return
    for (let row = 0; row < rows; row++) if (kind[row] === ESCAPED) mask[row] = this.value(field, row) === literal ? 1 : 0
  }

  lookup(field: number, dictionary: Dictionary, rows: number, ids: Int32Array): void {
    const { kind } = this.field(field)
    if (this.#kernel.lookup(field, this.#countOf(rows), this.#encoder.tableOf(dictionary), this.#encoder.addressOf(ids)) === 0) return
    for (let row = 0; row < rows; row++) if (kind[row] === ESCAPED) ids[row] = dictionary.get(String(this.value(field, row)))
  }

  compile(ops: readonly EmitOp[]): Program {
    const needs = needsOf(ops, this.paths)
    const program = { ops }
    this.#programs.set(program, { needs, at: this.#encoder.encode(ops) })
    return program
  }

  split(program: Program, selection: Int32Array, count: number, fit: Int32Array, rest: Int32Array): number {
    return splitRows(this, this.#compiled(program).needs, this.#unfit, selection, this.#countOf(count), fit, rest)
  }

  emit(program: Program, selection: Int32Array, from: number, to: number, output: Output): number {
    const { bytes, ends } = output
    const base = this.#encoder.addressOf(bytes)
    const until = ends === undefined ? this.#countOf(to) : Math.min(this.#countOf(to), from + ends.length - output.rows)
    const rowEnds = ends === undefined ? 0 : this.#encoder.addressOf(ends) + output.rows * 4
    const { at } = this.#compiled(program)
    const done = this.#kernel.emit(at, program.ops.length, this.#encoder.addressOf(selection), from, until, base + output.length, base + bytes.length, rowEnds, base)
    output.length = this.#kernel.emitted() - base
    output.rows += done - from
    return done
  }

  #compiled(program: Program): { readonly needs: readonly Need[]; readonly at: number } {
    const compiledProgram = this.#programs.get(program)
    if (compiledProgram === undefined) throw new SluiceError('INTERNAL', 'The program was compiled by other columns.')
    return compiledProgram
  }

  /** Place and length of a literal, written once. */
  #literal(text: string): readonly [number, number] {
    const known = this.#literals.get(text)
    if (known !== undefined) return known
    const placed = this.#encoder.text(text)
    this.#literals.set(text, placed)
    return placed
  }

  /** Guards the kernel, which does not check: no more rows than the arrays hold. */
  #countOf(rows: number): number {
    if (rows >= 0 && rows <= this.rowsMax) return rows
    throw new SluiceError('INTERNAL', `${rows} rows; the columns hold ${this.rowsMax}.`)
  }

  /** Writes a number that the kernel leaves to JavaScript. */
  #format(value: number, to: number): number {
    const text = Number.isFinite(value) ? String(value) : 'null'
    for (let at = 0; at < text.length; at++) this.#arena.bytes[to + at] = text.charCodeAt(at)
    return text.length
  }

  #finish(rows: number): number {
    this.skipped = this.#kernel.blankLines()
    if (!this.#isUtf8) rejectInvalidUtf8(this.input, this.lineStart, this.lineEnd, this.status, this.#fields, rows)
    if (this.#kernel.inexactNumbers() > 0) convertInexact(this.#buffer, this.#fields, rows)
    return rows
  }

  #placeColumns(stride: number): Field[] {
    const { buffer } = this.#arena.memory
    const count = this.paths.length
    const starts = this.#arena.take(stride * 4 * count)
    const ends = this.#arena.take(stride * 4 * count)
    const kinds = this.#arena.take(stride * count)
    const numbers = this.#arena.take(stride * 8 * count)
    this.#kernel.placeColumns(starts, ends, kinds, numbers, stride, count)
    return this.paths.map((_, field) => ({
      start: new Int32Array(buffer, starts + field * stride * 4, this.rowsMax),
      end: new Int32Array(buffer, ends + field * stride * 4, this.rowsMax),
      kind: new Uint8Array(buffer, kinds + field * stride, this.rowsMax),
      number: new Float64Array(buffer, numbers + field * stride * 8, this.rowsMax),
    }))
  }

  /** Writes the tree of wanted keys as the kernel reads it: per entry length, place, first eight bytes, field and child. */
  #placePlan(): void {
    const tree = planTree(this.paths)
    const all = tree.flat()
    const keys = all.map((entry) => Buffer.from(entry.key))
    const nodesAt = this.#arena.take((tree.length + 1) * 4)
    const entriesAt = this.#arena.take(all.length * ENTRY_BYTES)
    const keysAt = this.#arena.take(keys.reduce((sum, key) => sum + key.length, 0))
    const view = new DataView(this.#arena.memory.buffer)
    let first = 0
    tree.forEach((node, index) => {
      view.setInt32(nodesAt + index * 4, first, true)
      first += node.length
    })
    view.setInt32(nodesAt + tree.length * 4, first, true)
    let place = 0
    all.forEach((entry, index) => {
      const key = keys[index] ?? Buffer.alloc(0)
      const at = entriesAt + index * ENTRY_BYTES
      this.#arena.bytes.set(key, keysAt + place)
      view.setUint32(at, key.length, true)
      view.setUint32(at + 4, place, true)
      this.#arena.bytes.fill(0, at + 8, at + 16)
      this.#arena.bytes.set(key.subarray(0, 8), at + 8)
      view.setInt32(at + 16, entry.field, true)
      view.setInt32(at + 20, entry.child, true)
      place += key.length
    })
    this.#kernel.placePlan(nodesAt, entriesAt, keysAt, this.#arena.take(all.length * 4))
  }
}
