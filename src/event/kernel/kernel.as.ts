/**
 * The kernel: JSON lines to columns, and columns back to lines.
 *
 * AssemblyScript, not TypeScript: `node tools/build-kernel.ts` compiles this file and those it imports into binary.ts.
 * The host side is wasm.ts; src/event/json/twin.ts does the same in plain JavaScript.
 */
export { heapBase, placeColumns, placePlan, placeRows, placeSlab } from './memory.as'
export { blankLines, consumed, inexactNumbers, resume, scan } from './scan.as'
export { enter, equals, find, lookup } from './dictionary.as'
export { emit, emitted } from './emit.as'
export { forgetShapes, shapeBytes } from './shape.as'
