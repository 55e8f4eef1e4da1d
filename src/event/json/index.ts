/**
 * JSON as text: edits that keep the bytes they don't touch, and the columns that do the same to whole slabs of lines.
 */
export { rawAt, removeRaw, renameRaw, setRaw } from './edit.ts'
export { isCanonicalString, quote } from './string.ts'
export * from '../kernel/index.ts'
