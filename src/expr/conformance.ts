/**
 * Runs the conformance suite of the CEL specification (npm package `@bufbuild/cel-spec`, Apache-2.0) in strict mode. For tests and the reference page only.
 */
import { compile } from './index.ts'
import { CelType, Duration, Optional, Timestamp, Uint, equals, makeMap } from './values.ts'
import { conversions } from './functions/conversions.ts'
import { Runtime } from './runtime.ts'

interface ValueJson {
  readonly [kind: string]: unknown
}
interface TestJson {
  readonly name?: string
  readonly expr: string
  readonly value?: ValueJson
  readonly typedResult?: { readonly result?: ValueJson }
  readonly evalError?: unknown
  readonly anyEvalErrors?: unknown
  readonly bindings?: Readonly<Record<string, { readonly value?: ValueJson; readonly error?: unknown }>>
  readonly typeEnv?: readonly { readonly name?: string }[]
  readonly container?: string
}
export interface SuiteJson {
  readonly name: string
  readonly suites?: readonly SuiteJson[]
  readonly tests?: readonly { readonly original: TestJson }[]
}

export interface Outcome {
  readonly id: string
  readonly group: string
  readonly passed: boolean
  readonly reason: string
}

/** Groups that are about protobuf messages. */
const MESSAGE_GROUPS: ReadonlySet<string> = new Set(['proto2', 'proto2_ext', 'proto3', 'enums', 'dynamic', 'wrappers'])
/** A test elsewhere that makes or reads a message, or a wrapper type of protobuf. */
const MESSAGES = /TestAllTypes|NestedTestAllTypes|google\.protobuf\.(?!Timestamp|Duration|type)|proto2\.|proto3\.|GlobalEnum|NestedEnum|cel\.expr\.conformance\.proto/

const runtime = new Runtime(true, { clock: Date.now, random: Math.random, costLimit: 1e9 })

function decode(value: ValueJson): unknown {
  const [kind, of] = Object.entries(value)[0] ?? []
  switch (kind) {
    case 'nullValue':
    case undefined:
      return null
    case 'int64Value':
      return BigInt(String(of))
    case 'uint64Value':
      return new Uint(BigInt(String(of)))
    case 'doubleValue':
      return Number(of)
    case 'bytesValue':
      return new Uint8Array(Buffer.from(String(of), 'base64'))
    case 'listValue':
      return ((of as { readonly values?: readonly ValueJson[] }).values ?? []).map(decode)
    case 'mapValue':
      return makeMap(((of as { readonly entries?: readonly { readonly key: ValueJson; readonly value: ValueJson }[] }).entries ?? []).map(({ key, value: item }) => [decode(key), decode(item)] as const))
    case 'typeValue':
      return new CelType(String(of))
    case 'objectValue':
      return decodeObject(of as { readonly '@type'?: string; readonly value?: string })
    default:
      return of
  }
}

function decodeObject(of: { readonly '@type'?: string; readonly value?: string }): unknown {
  const name = of['@type']?.split('.').at(-1)
  if (name === 'Timestamp') return conversions['timestamp']?.call(runtime, [of.value ?? ''])
  if (name === 'Duration') return conversions['duration']?.call(runtime, [of.value ?? ''])
  throw new Error(`a message of type ${of['@type'] ?? ''}`)
}

/** All tests that need no messages, with their outcomes. */
export function runConformance(root: SuiteJson): Outcome[] {
  const outcomes: Outcome[] = []
  for (const group of root.suites ?? []) {
    if (MESSAGE_GROUPS.has(group.name)) continue
    const walk = (suite: SuiteJson, path: string): void => {
      for (const { original } of suite.tests ?? []) {
        if (MESSAGES.test(JSON.stringify(original))) continue
        const reason = runTest(original)
        outcomes.push({ id: `${path}/${original.name ?? original.expr}`, group: group.name, passed: reason === '', reason })
      }
      for (const inner of suite.suites ?? []) walk(inner, `${path}/${inner.name}`)
    }
    walk(group, group.name)
  }
  return outcomes
}

/** Why a test failed; '' if it passed. */
function runTest(test: TestJson): string {
  const expected = test.value ?? test.typedResult?.result
  const wantsError = test.evalError !== undefined || test.anyEvalErrors !== undefined
  let value: unknown
  try {
    value = evaluate(test)
  } catch (error) {
    return wantsError ? '' : `throws: ${error instanceof Error ? error.message : String(error)}`
  }
  if (wantsError) return 'does not throw'
  // A test without a value expects true; one of a type alone is content with any value.
  if (expected === undefined) return test.typedResult !== undefined || value === true ? '' : 'is not true'
  const wanted = decode(expected)
  const same = sameValue(value instanceof Optional && !(wanted instanceof Optional) ? value.$value : value, wanted)
  return same ? '' : `yields ${show(value)}, not ${show(wanted)}`
}

function evaluate(test: TestJson): unknown {
  const scope: Record<string, unknown> = { event: null, key: undefined, headers: {}, time: undefined, position: null }
  for (const [name, { value }] of Object.entries(test.bindings ?? {})) scope[name] = value === undefined ? undefined : decode(value)
  const declared = (test.typeEnv ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]))
  const variables = [...new Set([...Object.keys(test.bindings ?? {}), ...declared])]
  const compiled = compile(test.expr, { mode: 'strict', variables, ...(test.container === undefined ? {} : { container: test.container }) })
  return compiled.evaluate(scope as unknown as Parameters<typeof compiled.evaluate>[0]) // The scope's own names are all there.
}

/** Equal and of the same type, NaN and -0 included. */
function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' || typeof b === 'number') return Object.is(a, b) || (a === 0 && b === 0)
  if (typeof a === 'bigint' || typeof b === 'bigint') return a === b
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => sameValue(item, b[at]))
  return equals(a, b)
}

function show(value: unknown): string {
  if (value instanceof Timestamp || value instanceof Duration) return String(value.$ns)
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item)) ?? 'undefined'
}
