/**
 * The columns in plain JavaScript: where WebAssembly SIMD is missing, and as the model that the kernel is tested against.
 *
 * It says the meaning in the plainest way: lines are walked byte by byte, and emitted lines are made of strings; edits are the functions of edit.ts, run in the list's order.
 */
import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import { ESCAPED, MISSING, OK, ROWS_MAX, SLAB_BYTES, STRING } from '../kernel/columns.ts'
import type { Columns, ColumnsOptions, Dictionary, Field, Output, Program } from '../kernel/columns.ts'
import type { Edit, EmitOp, MaskOp } from '../kernel/emit-ops.ts'
import { planTree } from '../kernel/plan.ts'
import type { Need } from '../kernel/program.ts'
import { needsOf, splitRows } from '../kernel/program.ts'
import { checkPaths, convertInexact, problemOf, readValue, rejectInvalidUtf8 } from '../kernel/rows.ts'
import { removeRaw, renameRaw, setRaw } from './edit.ts'
import { LineReader } from './line-reader.ts'

const NEWLINE = 10
const RETURN = 13

export class TwinColumns implements Columns {
  readonly input: Uint8Array
  readonly rowsMax: number
  readonly paths: readonly (readonly string[])[]
  readonly lineStart: Int32Array
  readonly lineEnd: Int32Array
  readonly status: Uint8Array
  consumed = 0
  skipped = 0
  readonly #slab: Buffer
  readonly #fields: readonly Field[]
  readonly #reader: LineReader
  readonly #needs = new WeakMap<Program, readonly Need[]>()
  readonly #unfit: Uint8Array
  #length = 0
  #isUtf8 = true

  constructor(paths: readonly (readonly string[])[], options: ColumnsOptions = {}) {
    checkPaths(paths)
    const slabBytes = options.slabBytes ?? SLAB_BYTES
    this.paths = paths
    this.rowsMax = options.rowsMax ?? ROWS_MAX
    this.#slab = Buffer.alloc(slabBytes + 1)
    this.input = this.#slab.subarray(0, slabBytes)
    this.lineStart = this.newRows()
    this.lineEnd = this.newRows()
    this.status = this.newMask()
    this.#unfit = this.newMask()
    this.#fields = paths.map(() => ({ start: this.newRows(), end: this.newRows(), kind: this.newMask(), number: this.newNumbers() }))
    this.#reader = new LineReader(this.#slab, this.#fields, planTree(paths))
  }

  scan(length: number): number {
    if (length > this.input.length) throw new SluiceError('INTERNAL', `A slab of ${length} bytes does not fit in ${this.input.length}.`)
    this.#length = length
    this.#slab[length] = NEWLINE
    this.#isUtf8 = isUtf8(this.#slab.subarray(0, length))
    this.consumed = 0
    return this.resume()
  }

  resume(): number {
    this.skipped = 0
    let rows = 0
    while (this.consumed < this.#length && rows < this.rowsMax) {
      const start = this.consumed
      const newline = this.#slab.indexOf(NEWLINE, start)
      this.consumed = Math.min(newline + 1, this.#length)
      if (this.#isBlank(start, newline)) this.skipped++
      else this.#readLine(start, newline, rows++)
    }
    if (!this.#isUtf8) rejectInvalidUtf8(this.input, this.lineStart, this.lineEnd, this.status, this.#fields, rows)
    convertInexact(this.#slab, this.#fields, rows)
    return rows
  }

  field(index: number): Field {
    const field = this.#fields[index]
    if (field === undefined) throw new SluiceError('INTERNAL', `There is no column ${index}.`)
    return field
  }

  text(field: number, row: number): string {
    const { start, end, kind } = this.field(field)
    return kind[row] === MISSING ? '' : this.#slab.toString('utf8', start[row], end[row])
  }

  value(field: number, row: number): unknown {
    return readValue(this.#slab, this.field(field), row)
  }

  line(row: number): string {
    return this.#slab.toString('utf8', this.lineStart[row], this.lineEnd[row])
  }

  problem(row: number): string {
    return problemOf(this.#slab.subarray(this.lineStart[row], this.lineEnd[row]))
  }

  newMask(): Uint8Array {
    return new Uint8Array(this.rowsMax)
  }

  newRows(): Int32Array {
    return new Int32Array(this.rowsMax)
  }

  newNumbers(): Float64Array {
    return new Float64Array(this.rowsMax)
  }

  newOutput(bytes: number, withEnds = false): Output {
    return { bytes: new Uint8Array(bytes), length: 0, ends: withEnds ? this.newRows() : undefined, rows: 0 }
  }

  newDictionary(): Dictionary {
    return new TwinDictionary()
  }

  equals(field: number, literal: string, rows: number, mask: Uint8Array): void {
    const { kind } = this.field(field)
    for (let row = 0; row < rows; row++) mask[row] = isString(kind[row]) && this.value(field, row) === literal ? 1 : 0
  }

  lookup(field: number, dictionary: Dictionary, rows: number, ids: Int32Array): void {
    const { kind } = this.field(field)
    for (let row = 0; row < rows; row++) ids[row] = isString(kind[row]) ? dictionary.get(String(this.value(field, row))) : -2
  }

  compile(ops: readonly EmitOp[]): Program {
    const program = { ops }
    this.#needs.set(program, needsOf(ops, this.paths))
    return program
  }

  split(program: Program, selection: Int32Array, count: number, fit: Int32Array, rest: Int32Array): number {
    return splitRows(this, this.#needsOf(program), this.#unfit, selection, count, fit, rest)
  }

  emit(program: Program, selection: Int32Array, from: number, to: number, output: Output): number {
    this.#needsOf(program)
    let at = from
    for (; at < to && output.rows < (output.ends?.length ?? Infinity); at++) {
      const row = selection[at] ?? 0
      const bytes = Buffer.from(`${this.#run(program.ops, row)}\n`)
      if (output.length + bytes.length > output.bytes.length) break
      output.bytes.set(bytes, output.length)
      output.length += bytes.length
      if (output.ends !== undefined) output.ends[output.rows] = output.length
      output.rows++
    }
    return at
  }

  #needsOf(program: Program): readonly Need[] {
    const needs = this.#needs.get(program)
    if (needs === undefined) throw new SluiceError('INTERNAL', 'The program was compiled by other columns.')
    return needs
  }

  #isBlank(start: number, end: number): boolean {
    for (let at = start; at < end; at++) {
      const byte = this.#slab[at]
      if (byte !== 32 && byte !== 9 && byte !== RETURN) return false
    }
    return true
  }

  #readLine(start: number, newline: number, row: number): void {
    for (const field of this.#fields) field.kind[row] = MISSING
    const status = this.#reader.read(start, newline, row)
    if (status !== OK) for (const field of this.#fields) field.kind[row] = MISSING
    this.status[row] = status
    this.lineStart[row] = start
    this.lineEnd[row] = newline > start && this.#slab[newline - 1] === RETURN ? newline - 1 : newline
  }

  #run(ops: readonly EmitOp[], row: number): string {
    return ops.map((op) => this.#operation(op, row)).join('')
  }

  #operation(op: EmitOp, row: number): string {
    switch (op.op) {
      case 'literal':
        return op.text
      case 'raw':
        return this.text(op.field, row)
      case 'number':
        return JSON.stringify(op.values[row])
      case 'entry':
        return op.dictionary instanceof TwinDictionary ? op.dictionary.valueOf(op.ids[row] ?? -1) : ''
      case 'mask':
        return this.#mask(op, row)
      case 'line':
        return this.line(row)
      case 'edit':
        return op.edits.reduce((line, edit) => this.#edit(line, edit, row), this.line(row))
    }
  }

  #mask({ field, fill, first = 0, last = 0, from, each }: MaskOp, row: number): string {
    const { kind } = this.field(field)
    if (kind[row] !== STRING) return ''
    const characters = [...String(this.value(field, row))]
    const none = characters.length <= first + last
    const head = none ? 0 : first
    const place = from === undefined ? characters.length - last : characters.indexOf(from, head)
    const tail = none || place < 0 ? characters.length : place
    const hidden = each === true ? fill.repeat(tail - head) : fill
    return JSON.stringify(`${characters.slice(0, head).join('')}${hidden}${characters.slice(tail).join('')}`)
  }

  #edit(line: string, edit: Edit, row: number): string {
    const path = this.paths[edit.field] ?? []
    switch (edit.edit) {
      case 'set':
        return setRaw(line, path, this.#run(edit.value, row)) ?? line
      case 'remove':
        return removeRaw(line, path)
      case 'rename':
        return renameRaw(line, path, edit.key)
    }
  }
}

class TwinDictionary implements Dictionary {
  readonly #numbers = new Map<string, number>()
  readonly #values: string[] = []

  get size(): number {
    return this.#values.length
  }

  add(key: string, value = 'null'): number {
    const number = this.#numbers.get(key) ?? this.#values.length
    this.#numbers.set(key, number)
    this.#values[number] = value
    return number
  }

  get(key: string): number {
    return this.#numbers.get(key) ?? -1
  }

  valueOf(number: number): string {
    return this.#values[number] ?? ''
  }

  close(): void {
    this.#numbers.clear()
    this.#values.length = 0
  }
}

function isString(kind: number | undefined): boolean {
  return kind === STRING || kind === ESCAPED
}
