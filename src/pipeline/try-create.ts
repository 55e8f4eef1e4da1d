/**
 * Makes a component once, without opening it: what its `create` finds wrong with its config is told with the other problems, not when the run begins.
 * `create` does no I/O and opens no timers, so nothing is left behind.
 */
import { SluiceError } from '../base/index.ts'
import { prepareConfig } from '../engine/index.ts'
import type { ComponentContext, StageContext } from '../engine/index.ts'
import type { DraftNode } from './nodes.ts'
import { mapLeaves } from './tree.ts'
import type { Made, Tree } from './tree.ts'
import type { ValueContext } from './value-context.ts'

/** False where the component refused its config; the reason is then in the diagnostics. */
export function tryCreate(node: DraftNode, config: Record<string, unknown>, { reading }: ValueContext): boolean {
  const context = contextOf(node.id, reading.folder)
  try {
    const { declaration } = node
    if (declaration === undefined) return false
    const prepared = prepareConfig(declaration.config, config, context)
    if (declaration.kind === 'stage') declaration.create(prepared, { ...context, state: NO_STATE })
    else declaration.create(prepared, context)
    if (declaration.kind === 'sink') declaration.encoding(prepared, context)
    return true
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof SluiceError ? error.code : 'CONFIG_VALUE'
    reading.diagnostics.error(code, node.place, `"${node.type}": ${scrubbed(message, node.config)}`)
    return false
  }
}

function contextOf(id: string, folder: string): ComponentContext {
  return {
    id, folder, now: () => 0, random: () => 0, sleep: () => Promise.reject(new SluiceError('ABORTED', 'Nothing waits while a config is checked.')),
    warn: () => undefined, signal: new AbortController().signal,
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
  return hidden.reduce((text, { value, made }) => text.replaceAll(value, made.raw), message)
}
