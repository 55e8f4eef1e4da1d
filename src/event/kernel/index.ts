/** The columns: JSON lines to arrays per wanted field, and rows back to lines. */
import type { Columns, ColumnsOptions } from './columns.ts'
import { WasmColumns } from './wasm.ts'

/** Columns for these paths. Each call makes an instance with memory of its own, to be used by one thread. */
export function createScanner(paths: readonly (readonly string[])[], options: ColumnsOptions = {}): Columns {
  return new WasmColumns(paths, options)
}

export * from './columns.ts'
export type { Edit, EmitOp, MaskOp, ValueOp } from './emit-ops.ts'
