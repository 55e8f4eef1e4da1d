/**
 * Columns over a slab of JSON lines: what the planner works with.
 *
 * A scan checks every line and yields, for the wanted paths only, where the value lies, of what kind it is and, for a number, its value. The rows are the
 * lines that are not blank. All arrays keep their place for the life of the columns; their content changes with the next scan.
 *
 * `status` tells how far a row can be trusted:
 *   OK    an object; the columns hold.
 *   BAD   not JSON, not UTF-8, or not an object; `problem(row)` tells which.
 *   SLOW  an object perhaps, but one that columns can't show (a wanted key or an object on the way to one comes twice or is written with escapes, or the
 *         line is nested more than 63 deep): read it with JSON.parse.
 * In a row that is not OK all kinds are MISSING.
 */
import type { EmitOp } from './emit-ops.ts'

export const OK = 0
export const BAD = 1
export const SLOW = 2

/** Kinds of values. */
export const MISSING = 0
export const NULL = 1
export const FALSE = 2
export const TRUE = 3
/** A number that the kernel converted: `number` is what JSON.parse yields. */
export const NUMBER = 4
/** A string without escapes: the bytes between the quotes are its text in UTF-8. */
export const STRING = 5
export const OBJECT = 6
export const ARRAY = 7
/** A number with more digits or a larger exponent; the host converted it, `number` is what JSON.parse yields (Infinity included). */
export const INEXACT = 8
/** A string with escapes. */
export const ESCAPED = 9

/** One wanted path: arrays by row. `start` and `end` are places in `input`, quotes and brackets included. */
export interface Field {
  readonly start: Int32Array
  readonly end: Int32Array
  readonly kind: Uint8Array
  readonly number: Float64Array
}

/** Bytes that `emit` appends to. Take `bytes.subarray(0, length)` and set `length` (and `rows`, where `ends` are kept) to 0 to use it again. */
export interface Output {
  readonly bytes: Uint8Array
  length: number
  /** Where each emitted row ends, newline included, since `rows` was last set to 0; undefined if not asked for. Has room for `rowsMax` rows. */
  readonly ends: Int32Array | undefined
  /** Rows emitted since it was last set to 0. */
  rows: number
}

/** Byte strings with a number each, counted from 0 in the order they were added, and a value in bytes that `emit` can put out. */
export interface Dictionary {
  readonly size: number
  /** Adds a key, or gives the one that is there another value; answers its number. The value is JSON text. Throws COLUMNS_ROOM where no room is left. */
  add(key: string, value?: string): number
  /** Number of a key, or -1. */
  get(key: string): number
  /** Gives the memory back. Programs that name this dictionary must not run any more. */
  close(): void
}

/** A compiled list of operations; good for the columns that compiled it. */
export interface Program {
  readonly ops: readonly EmitOp[]
}

export interface Columns {
  /** The slab: bytes are written here before `scan`. */
  readonly input: Uint8Array
  /** Most rows that one scan yields. */
  readonly rowsMax: number
  readonly paths: readonly (readonly string[])[]
  readonly lineStart: Int32Array
  /** Behind the last byte of the line; its newline, or carriage return and newline, are not part of it. */
  readonly lineEnd: Int32Array
  readonly status: Uint8Array

  /**
   * Scans the first `length` bytes of `input` and answers the number of rows. The end of the slab ends a line as a newline does.
   * Bytes of `input` behind `length` may be overwritten. Where more than `rowsMax` rows are there, `consumed < length` and `resume` goes on.
   */
  scan(length: number): number
  /** Scans on behind the rows of the last call, with rows counted from 0 again; answers 0 at the end of the slab. */
  resume(): number
  /** Place in `input` behind the last line read. */
  readonly consumed: number
  /** Blank lines passed over by the last call. */
  readonly skipped: number

  /** The column of path number `index`; always the same object with the same arrays. */
  field(index: number): Field
  /** The field's JSON text; '' where it is missing. */
  text(field: number, row: number): string
  /** The field's value as JSON.parse yields it; undefined where it is missing. */
  value(field: number, row: number): unknown
  /** The row's line as text. */
  line(row: number): string
  /** Why a BAD row is bad, as a sentence. */
  problem(row: number): string

  /** Arrays of `rowsMax` elements that the operations below and `emit` can use. They belong to these columns and live as long. */
  newMask(): Uint8Array
  newRows(): Int32Array
  newNumbers(): Float64Array
  newOutput(bytes: number, withEnds?: boolean): Output
  newDictionary(): Dictionary

  /** `mask[row] = 1` for the rows below `rows` in which the field is a string equal to `literal`, else 0. Strings with escapes are decoded. */
  equals(field: number, literal: string, rows: number, mask: Uint8Array): void
  /** `ids[row]` = number of the field's string in the dictionary, -1 where it has none, -2 where the field is not a string. Strings with escapes are decoded. */
  lookup(field: number, dictionary: Dictionary, rows: number, ids: Int32Array): void

  /** Checks and compiles a program. Throws INTERNAL for a program that breaks the rules in emit-ops.ts. */
  compile(ops: readonly EmitOp[]): Program
  /**
   * Sorts `selection[0..count)` into rows that the program can be run on (`fit`) and others (`rest`), both in order; answers how many fit.
   * `fit` may be `selection` itself. See emit-ops.ts for what makes a row unfit.
   */
  split(program: Program, selection: Int32Array, count: number, fit: Int32Array, rest: Int32Array): number
  /**
   * Runs the program on `selection[from..to)` and appends to `output`, each row with a newline. Answers the place in the selection where it stopped: `to`, or
   * less where the next row did not fit in the output (or its end in `ends`) any more; nothing of that row is written. On rows that `split` did not find fit, the line is well-formed only by chance.
   */
  emit(program: Program, selection: Int32Array, from: number, to: number, output: Output): number
}

export interface ColumnsOptions {
  /** Most bytes of a slab. Default 1 MiB. */
  readonly slabBytes?: number
  /** Most rows of one scan. Default 16384. */
  readonly rowsMax?: number
  /** Room for masks, outputs, dictionaries and programs; memory is used only as they are filled. Default 32 MiB. */
  readonly roomBytes?: number
  /** Which scanner: 'auto' (default) takes 'wasm' where WebAssembly SIMD is there, else 'js'. */
  readonly engine?: 'auto' | 'wasm' | 'js'
}

export const SLAB_BYTES = 1 << 20
export const ROWS_MAX = 16384
export const ROOM_BYTES = 32 << 20
/** Most wanted paths. */
export const FIELDS_MAX = 256
