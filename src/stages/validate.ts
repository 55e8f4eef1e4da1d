/**
 * Checks events; what does not satisfy the checks is rejected with the first reason.
 *
 * Order: `required` fields, `types`, `ranges`, the JSON Schema, then `rules`. A field that holds null is there. A field in `ranges` that is there is a number or null.
 * A rule is a CEL condition that must hold; one that can't be evaluated does not hold, and the event is rejected with the code of the expression.
 */
import type { Options, ValidateFunction } from 'ajv'
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import { compilePattern } from '../expr/index.ts'
import type { ColumnCheck, CompiledExpression, StageDeclaration } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { each } from './each.ts'
import { sameFields } from './origins.ts'
import { isObject, kindOf, parsePath, valueAt } from './paths.ts'
import type { Path } from './paths.ts'
import { schemaChecks } from './validate-columns.ts'

const TYPE = field.choice(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])
type TypeName = 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'null'

const CONFIG = field.object({
  schema: field.optional(field.schema({ description: 'JSON Schema (draft 2020-12 or 07): a file, or the schema itself' })),
  required: field.list(field.string(), { default: [], description: 'Paths of fields that must be there' }),
  types: field.record<TypeName>(TYPE, { default: {}, description: 'Types of fields, where they are there' }),
  ranges: field.record(field.list(field.number(), { minItems: 2 }), { default: {}, description: 'Least and greatest value of number fields, where they are there: [least, greatest]' }),
  rules: field.list(field.object({ check: field.expression({ expect: 'bool' }), message: field.optional(field.string()) }), { default: [], description: 'Conditions that must hold' }),
})

interface Rule {
  readonly check: CompiledExpression
  readonly message?: string | undefined
}

function fail(message: string): never {
  throw new SluiceError('VALIDATE_FAILED', message)
}

function hasType(value: JsonValue, type: TypeName): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    default:
      return typeof value === type
  }
}

function checkRule({ check, message }: Rule, event: Event): void {
  const reason = message ?? `The rule does not hold: ${check.expression.source}`
  try {
    if (check(event) === true) return
  } catch (error) {
    throw new SluiceError(error instanceof SluiceError ? error.code : 'VALIDATE_FAILED', `${reason} (${error instanceof Error ? error.message : String(error)})`, { cause: error })
  }
  fail(reason)
}

/** Patterns of schemas run in linear time, as all regular expressions of users do. `code` is for ajv's code generator for files, which is not used. */
const linearPattern = Object.assign((pattern: string) => {
  const compiled = compilePattern(pattern)
  // ajv tells patterns apart by their text.
  return { test: (text: string): boolean => compiled.matcher(text).find(), toString: () => pattern }
}, { code: '' })

/** Compiles with the draft that the schema names; 2020-12 unless it says 2019-09, 06 or 07. Loads ajv. `warn` is told about keywords that nothing reads. */
export async function compileSchema(schema: Readonly<Record<string, unknown>>, warn: (message: string) => void = () => undefined): Promise<ValidateFunction> {
  const named = typeof schema['$schema'] === 'string' ? schema['$schema'] : ''
  const tell = (message: unknown): void => warn(`The JSON Schema: ${String(message)}`)
  const options: Options = { strict: false, strictSchema: 'log', verbose: true, logger: { log: tell, warn: tell, error: tell }, code: { regExp: linearPattern } }
  const { default: formats } = await import('ajv-formats')
  const ajv = /draft-0[67]/.test(named)
    ? new (await import('ajv')).Ajv(options)
    : named.includes('2019-09')
      ? new (await import('ajv/dist/2019.js')).Ajv2019(options)
      : new (await import('ajv/dist/2020.js')).Ajv2020(options)
  formats.default(ajv)
  try {
    return ajv.compile(schema)
  } catch (error) {
    throw new SluiceError('CONFIG_VALUE', `The JSON Schema can't be used: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function schemaReason(check: ValidateFunction): string {
  const first = check.errors?.[0]
  const path = first?.instancePath.slice(1).split('/').map(part => part.replaceAll('~1', '/').replaceAll('~0', '~')).join('.') ?? ''
  const at = path === '' ? 'the event' : path
  const extra = first?.keyword === 'enum' ? `: ${JSON.stringify(first.params['allowedValues'])}` : first?.keyword === 'additionalProperties' ? `: ${String(first.params['additionalProperty'])}` : ''
  return `${at} ${first?.message ?? 'does not fit the schema'}${extra}; it is ${kindOf(first?.data as JsonValue | undefined)}` // A part of the event.
}

export const validate: StageDeclaration = defineStage({
  type: 'validate',
  summary: 'Check events, and reject those that do not satisfy the checks',
  config: CONFIG,
  examples: [
    {
      title: 'Fields, ranges and a rule',
      config: { required: ['id'], ranges: { temperature: [-50, 60] }, rules: [{ check: 'event.id != ""', message: 'id is empty' }] },
      input: [{ id: 'a', temperature: 20 }, { id: 'b', temperature: 99 }, { temperature: 1 }],
      output: [{ id: 'a', temperature: 20 }],
    },
  ],
  origins: sameFields,
  create: (config, context) => {
    const required = config.required.map(parsePath)
    const types = Object.entries(config.types).map(([path, type]) => ({ path: parsePath(path), type }))
    const ranges = Object.entries(config.ranges).map(([path, [least = -Infinity, greatest = Infinity]]) => ({ path: parsePath(path), least, greatest }))
    for (const [path, range] of Object.entries(config.ranges)) {
      if (range.length !== 2 || !((range[0] ?? 0) <= (range[1] ?? 0))) throw new SluiceError('CONFIG_VALUE', `validate: the range of ${path} must be [least, greatest].`)
    }
    const { rules, schema } = config
    let check: ValidateFunction | undefined
    return {
      open: async () => {
        if (schema !== undefined) check = await compileSchema(schema, message => context.warn(message, message))
      },
      process: each((event, out) => {
        const { value } = event
        for (const path of required) if (valueAt(value, path) === undefined) fail(`${path.join('.')} is missing.`)
        for (const { path, type } of types) {
          const of = valueAt(value, path)
          if (of !== undefined && !hasType(of, type)) fail(`${path.join('.')} must be ${type}; it is ${kindOf(of)}.`)
        }
        for (const { path, least, greatest } of ranges) checkRange(value, path, least, greatest)
        if (check !== undefined && !check(value)) fail(`${schemaReason(check)}.`)
        for (const rule of rules) checkRule(rule, event)
        out.emit(event)
      }),
      columns: () => {
        const known = schema === undefined ? [] : schemaChecks(schema)
        if (known === undefined) return undefined
        return { step: 'require', checks: [...fieldChecks(required, types), ...ranges.flatMap(({ path, least, greatest }): ColumnCheck[] => [{ check: 'kind', path, kinds: ['number', 'null'], optional: true }, { check: 'range', path, minimum: least, maximum: greatest }]), ...known, ...rules.map((rule): ColumnCheck => ({ check: 'test', test: rule.check }))] }
      },
    }
  },
}) as StageDeclaration // A stage of one config is a stage.

function checkRange(value: JsonValue, path: Path, least: number, greatest: number): void {
  const of = valueAt(value, path)
  if (of === undefined || of === null) return
  if (typeof of !== 'number') fail(`${path.join('.')} must be a number; it is ${kindOf(of)}.`)
  if (!(of >= least && of <= greatest)) fail(`${path.join('.')} must lie between ${least} and ${greatest}; it is ${of}.`)
}

const KINDS = ['null', 'boolean', 'number', 'string', 'object', 'array'] as const

/** `required` and `types` as checks of columns. Whole numbers can't be told from others there, so `integer` is left to the object path by a kind that never fits. */
function fieldChecks(required: readonly Path[], types: readonly { readonly path: Path; readonly type: TypeName }[]): ColumnCheck[] {
  const checks: ColumnCheck[] = required.map(path => ({ check: 'kind', path, kinds: KINDS, optional: false }))
  for (const { path, type } of types) checks.push({ check: 'kind', path, kinds: type === 'integer' ? [] : [type], optional: true })
  return checks
}
