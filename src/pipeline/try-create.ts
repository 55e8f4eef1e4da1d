/**
 * Makes a component once, without opening it: what its `create` finds wrong with its config is told with the other problems, not when the run begins.
 * `create` does no I/O and opens no timers, so nothing is left behind.
 */
import { SluiceError, withoutPasswords } from '../base/index.ts'
import { prepareConfig } from '../engine/index.ts'
import type { ComponentContext, Stage, StageContext } from '../engine/index.ts'
import type { DraftNode } from './nodes.ts'
import { checkOptions, givenOptions, tryFormat } from './check-format.ts'
import { hasBroken, mapLeaves } from './tree.ts'
import type { Made, Tree } from './tree.ts'
import type { ValueContext } from './value-context.ts'

/** What was learned from making a component. */
export interface Tried {
  /** The config, with the options of its format as they were checked. */
  readonly config: Record<string, unknown>
  /** True where events leave as they came, if they leave. */
  readonly keepsEvents: boolean
}

/** Undefined where the component refused its config; the reason is then in the diagnostics. */
export function tryCreate(node: DraftNode, config: Record<string, unknown>, values: ValueContext): Tried | undefined {
  const { reading } = values
  const context = contextOf(node.id, reading)
  let { place } = node
  try {
    const { declaration } = node
    // Where a value is missing for a reason that was told, what else seems wrong would only follow from it.
    if (declaration === undefined || hasBroken(node.config)) return undefined
    const prepared = prepareConfig(declaration.config, values.withSchemas(declaration.config, config), context)
    if (declaration.kind === 'stage') return { config, keepsEvents: keepsEvents(declaration.create(prepared, { ...context, state: NO_STATE })) }
    const choice = declaration.kind === 'source' ? declaration.create(prepared, context).format : declaration.encoding(prepared, context)
    const given = givenOptions(node)
    const options = given === undefined ? {} : checkOptions(given, node.type, choice, values)
    if (declaration.kind === 'sink') declaration.create(prepared, context)
    if (options === undefined) return undefined
    place = given?.tree.place ?? place
    tryFormat(declaration.kind, choice, options, reading.registry, context)
    return { config: given === undefined ? config : { ...config, [given.name]: options }, keepsEvents: false }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof SluiceError ? error.code : 'CONFIG_VALUE'
    reading.diagnostics.error(code, place, `"${node.type}": ${scrubbed(message, node.config)}`)
    return undefined
  }
}

/** A stage that says what it means in terms of columns says whether it changes events. One that can't say it before it is opened is taken to change them. */
function keepsEvents(stage: Stage): boolean {
  try {
    const step = stage.columns?.()?.step
    return step === 'keep' || step === 'require' || step === 'route'
  } catch {
    return false
  }
}

function contextOf(id: string, { folder, registry }: ValueContext['reading']): ComponentContext {
  return {
    id, folder, now: () => 0, random: () => 0, sleep: () => Promise.reject(new SluiceError('ABORTED', 'Nothing waits while a config is checked.')),
    warn: () => undefined, signal: new AbortController().signal, functions: registry.functions,
  }
}

const NO_STATE: StageContext['state'] = {
  table: () => ({ get: () => undefined, set: () => undefined, delete: () => undefined, entries: () => [].values(), size: 0 }),
}

/** The message without the values that `${...}` stood for. */
function scrubbed(message: string, config: Tree): string {
  const hidden: { readonly value: string; readonly made: Made }[] = []
  mapLeaves(config, leaf => {
    if (leaf.made !== undefined && !leaf.made.open && String(leaf.value) !== '') hidden.push({ value: String(leaf.value), made: leaf.made })
    return leaf
  })
  return hidden.reduce((text, { value, made }) => text.replaceAll(value, made.raw).replaceAll(withoutPasswords(value), made.raw), message)
}
