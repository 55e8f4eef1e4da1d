/**
 * JSON lines as columns: `createScanner` is the door for the planner.
 *
 * columns.ts tells what columns are, emit-ops.ts how lines are built from them, with worked examples. The kernel does the work where the runtime has
 * WebAssembly SIMD; json/twin.ts does the same in plain JavaScript elsewhere.
 */
import { TwinColumns } from '../json/twin.ts'
import type { Columns, ColumnsOptions } from './columns.ts'
import { hasKernel, WasmColumns } from './wasm.ts'

export * from './columns.ts'
export type { Edit, EmitOp, MaskOp, ValueOp } from './emit-ops.ts'

/** Columns for these paths, which are distinct and not empty. Each call reserves memory of its own; one thread uses it. */
export function createScanner(paths: readonly (readonly string[])[], options: ColumnsOptions = {}): Columns {
  const engine = options.engine ?? 'auto'
  return engine === 'js' || (engine === 'auto' && !hasKernel()) ? new TwinColumns(paths, options) : new WasmColumns(paths, options)
}
