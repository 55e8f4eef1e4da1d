/** All functions by name. */
import { collections } from './collections.ts'
import { conversions } from './conversions.ts'
import { extras } from './extras.ts'
import { numbers } from './numbers.ts'
import { strings } from './strings.ts'
import { time } from './time.ts'
import type { FunctionTable } from './types.ts'

export { NO_MATCH } from './types.ts'
export type { FunctionDef, FunctionTable, ResultType } from './types.ts'

export const FUNCTIONS: FunctionTable = { ...conversions, ...strings, ...numbers, ...collections, ...time, ...extras }
/** First parts of names with a dot: `math`, `sets`... */
export const NAMESPACES: ReadonlySet<string> = new Set(Object.keys(FUNCTIONS).flatMap(name => (name.includes('.') ? [name.split('.')[0] ?? ''] : [])))
