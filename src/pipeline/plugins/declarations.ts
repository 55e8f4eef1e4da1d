/** Finds the declarations among what a plug-in exports, and says what is wrong with them. */
import { SluiceError, suggest } from '../../base/index.ts'
import { PARTITION_BY } from '../../engine/index.ts'
import type { Registry } from '../../engine/index.ts'
import { FUNCTIONS } from '../../expr/index.ts'
import type { AnyDeclaration } from '../extended-registry.ts'
import { SINK_OPTIONS, SOURCE_OPTIONS, STAGE_OPTIONS } from '../layout.ts'

const CALLS: Readonly<Record<AnyDeclaration['kind'], string>> = { source: 'defineSource', stage: 'defineStage', sink: 'defineSink', codec: 'defineCodec', function: 'defineFunction' }

/** Parts that a declaration can't do without, with what each must be. */
const PARTS: Readonly<Record<AnyDeclaration['kind'], Readonly<Record<string, 'function' | 'object'>>>> = {
  source: { config: 'object', create: 'function' },
  stage: { config: 'object', create: 'function' },
  sink: { config: 'object', create: 'function', encoding: 'function' },
  codec: { config: 'object' },
  function: { parameters: 'object', call: 'function' },
}

/** Keys that stand beside a type in a pipeline, and so can't be types. */
const RESERVED = new Set(['id', 'use', 'with', PARTITION_BY, ...Object.keys(SOURCE_OPTIONS), ...Object.keys(STAGE_OPTIONS), ...Object.keys(SINK_OPTIONS)])

/** All that a module exports and a define call made: by name, by default, or in a list that it exports by default. Throws PLUGIN_EXPORTS. */
export function declarationsOf(name: string, exported: Readonly<Record<string, unknown>>): AnyDeclaration[] {
  const found = new Set<AnyDeclaration>()
  for (const [key, value] of Object.entries(exported)) {
    if (key === 'default' && Array.isArray(value)) {
      for (const [at, item] of value.entries()) found.add(declarationOf(name, `item ${at + 1} of its default export`, item))
    } else if (hasKind(value)) found.add(declarationOf(name, key === 'default' ? 'its default export' : `"${key}"`, value))
  }
  if (found.size === 0) throw new SluiceError('PLUGIN_EXPORTS', `${name} exports ${listOf(exported)}, but no source, stage, sink, format or function. ${hintFor(exported)}`)
  return [...found]
}

function hasKind(value: unknown): value is { readonly kind: unknown } {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'kind')
}

function declarationOf(name: string, what: string, value: unknown): AnyDeclaration {
  const fail = (why: string): never => {
    throw new SluiceError('PLUGIN_EXPORTS', `${name}: ${what} ${why}`)
  }
  if (!hasKind(value)) return fail('is not what a define call returns.')
  const { kind } = value
  if (!isKind(kind)) {
    const near = typeof kind === 'string' ? suggest(kind, Object.keys(CALLS)) : undefined
    return fail(`is of the kind ${JSON.stringify(kind)}, which does not exist.${near === undefined ? '' : ` Did you mean "${near}"?`}`)
  }
  const parts = value as unknown as Readonly<Record<string, unknown>> // An object; each part is looked at before it is believed.
  const call = CALLS[kind]
  const { type } = parts
  if (typeof type !== 'string' || type === '') return fail(`has no "type". Make it with ${call}, which asks for all that is needed.`)
  if (typeof parts['summary'] !== 'string') return fail(`(${kind} "${type}") has no "summary": one sentence that \`sluice list\` shows.`)
  const wrongName = nameFault(kind, type)
  if (wrongName !== undefined) return fail(`(${kind} "${type}") ${wrongName}`)
  for (const [part, of] of Object.entries(PARTS[kind])) {
    const given = parts[part]
    if (typeof given !== of || given === null) return fail(`(${kind} "${type}") has no ${of === 'function' ? `function "${part}"` : `"${part}"`}. Make it with ${call}, which asks for all that is needed.`)
  }
  if (kind === 'codec' && typeof parts['decoder'] !== 'function' && typeof parts['encoder'] !== 'function') return fail(`(format "${type}") can neither read nor write: it has no "decoder" and no "encoder".`)
  return value as unknown as AnyDeclaration // All parts were looked at.
}

function isKind(kind: unknown): kind is AnyDeclaration['kind'] {
  return typeof kind === 'string' && Object.hasOwn(CALLS, kind)
}

function nameFault(kind: AnyDeclaration['kind'], type: string): string | undefined {
  if (kind === 'function') return /^[A-Za-z_]\w{0,31}(\.[A-Za-z_]\w{0,31})?$/.test(type) ? undefined : 'is no name for a function: letters, digits and underscores, with at most one dot.'
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(type)) return 'is no name for a type: small letters, digits, dashes and underscores, a letter first.'
  return RESERVED.has(type) && kind !== 'codec' ? 'can\'t be a type: the word has a meaning of its own in a pipeline.' : undefined
}

function listOf(exported: Readonly<Record<string, unknown>>): string {
  const names = Object.entries(exported).filter(([key]) => key !== 'module.exports').map(([key, value]) => `${key === 'default' ? 'by default' : `"${key}"`} (${value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value})`)
  return names.length === 0 ? 'nothing' : names.slice(0, 8).join(', ')
}

function hintFor(exported: Readonly<Record<string, unknown>>): string {
  if (typeof exported['default'] === 'function') return 'A function over values is run by the stage `module`; a plug-in exports what defineStage returns.'
  return 'Export what defineSource, defineStage, defineSink, defineCodec or defineFunction returns.'
}

/** Says where a name is taken by Sluice itself or by another plug-in. `owners`: who brought what so far. Throws PLUGIN_NAME_TAKEN. */
export function checkNames(name: string, declarations: readonly AnyDeclaration[], base: Registry, owners: Map<string, string>): void {
  for (const one of declarations) {
    const what = `a ${one.kind === 'codec' ? 'format' : one.kind} "${one.type}"`
    const key = `${one.kind} ${one.type}`
    const owner = owners.get(key) ?? (isTaken(one, base) ? 'Sluice itself' : undefined)
    if (owner !== undefined) {
      const by = owner === name ? 'which it brings twice' : `which ${owner} has already`
      throw new SluiceError('PLUGIN_NAME_TAKEN', `${name} brings ${what}, ${by}. Give it another name, such as "${one.kind === 'function' ? 'acme.' : 'acme_'}${one.type.replace(/^.*\./, '')}".`)
    }
    owners.set(key, name)
  }
}

function isTaken(one: AnyDeclaration, base: Registry): boolean {
  if (one.kind === 'function') return Object.hasOwn(FUNCTIONS, one.type) || Object.hasOwn(base.functions ?? {}, one.type)
  return base[one.kind](one.type) !== undefined
}
