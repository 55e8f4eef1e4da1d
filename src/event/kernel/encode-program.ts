/**
 * Programs as the kernel reads them.
 *
 * An operation is four numbers of 32 bits: code and up to three operands. An edit is eight: code, field, length of its key, column of the object around it,
 * place and length of the key to write, and for `set` place and number of its operations, for `rename` column and key length of the field it overwrites.
 * The numbers of the codes stand in emit.as.ts.
 */
import { SluiceError } from '../../base/index.ts'
import type { Arena } from './arena.ts'
import { KernelDictionary } from './dictionary.ts'
import type { EmitOp, MaskOp } from './emit-ops.ts'
import { placeEdits } from './program.ts'
import type { PlacedEdit } from './program.ts'

const OP_BYTES = 16
const EDIT_BYTES = 32
const LITERAL = 0
const RAW = 1
const NUMBER = 2
const ENTRY = 3
const MASK = 4
const LINE = 5
const EDIT = 6
const SET = 0
const REMOVE = 1
const RENAME = 2

export class ProgramEncoder {
  readonly #arena: Arena
  readonly #view: DataView
  readonly #paths: readonly (readonly string[])[]

  constructor(arena: Arena, paths: readonly (readonly string[])[]) {
    this.#arena = arena
    this.#view = new DataView(arena.memory.buffer)
    this.#paths = paths
  }

  /** Writes the operations; answers their address. */
  encode(ops: readonly EmitOp[]): number {
    const at = this.#arena.take(ops.length * OP_BYTES)
    ops.forEach((op, index) => this.#numbers(at + index * OP_BYTES, this.#operation(op)))
    return at
  }

  /** Writes text; answers its address and length in bytes. */
  text(text: string): readonly [number, number] {
    const bytes = Buffer.from(text)
    const at = this.#arena.take(bytes.length)
    this.#arena.bytes.set(bytes, at)
    return [at, bytes.length]
  }

  /** Address of an array that these columns made. */
  addressOf(array: Int32Array | Float64Array | Uint8Array): number {
    if (array.buffer !== this.#arena.memory.buffer) throw new SluiceError('INTERNAL', 'The array was not made by these columns.')
    return array.byteOffset
  }

  tableOf(dictionary: unknown): number {
    if (!(dictionary instanceof KernelDictionary)) throw new SluiceError('INTERNAL', 'The dictionary was not made by these columns.')
    return dictionary.table
  }

  #operation(op: EmitOp): readonly number[] {
    switch (op.op) {
      case 'literal':
        return [LITERAL, ...this.text(op.text)]
      case 'raw':
        return [RAW, op.field]
      case 'number':
        return [NUMBER, this.addressOf(op.values)]
      case 'entry':
        return [ENTRY, this.addressOf(op.ids), this.tableOf(op.dictionary)]
      case 'mask':
        return [MASK, op.field, this.#mask(op)]
      case 'line':
        return [LINE]
      case 'edit':
        return [EDIT, this.#edits(placeEdits(op.edits, this.#paths)), op.edits.length]
    }
  }

  #mask({ first = 0, last = 0, from, fill, each = false }: MaskOp): number {
    const at = this.#arena.take(24)
    this.#numbers(at, [first, last, from?.charCodeAt(0) ?? 0, each ? 1 : 0, ...this.text(JSON.stringify(fill).slice(1, -1))])
    return at
  }

  #edits(edits: readonly PlacedEdit[]): number {
    const at = this.#arena.take(edits.length * EDIT_BYTES)
    edits.forEach((edit, index) => this.#numbers(at + index * EDIT_BYTES, this.#edit(edit)))
    return at
  }

  #edit({ edit, path, parent, other }: PlacedEdit): readonly number[] {
    const key = path.at(-1) ?? ''
    const place = [edit.field, Buffer.byteLength(key), parent]
    switch (edit.edit) {
      case 'set':
        return [SET, ...place, ...this.text(`${JSON.stringify(key)}:`), this.encode(edit.value), edit.value.length]
      case 'remove':
        return [REMOVE, ...place]
      case 'rename':
        return [RENAME, ...place, ...this.text(JSON.stringify(edit.key)), other, Buffer.byteLength(edit.key)]
    }
  }

  #numbers(at: number, numbers: readonly number[]): void {
    numbers.forEach((number, index) => this.#view.setInt32(at + index * 4, number, true))
  }
}
