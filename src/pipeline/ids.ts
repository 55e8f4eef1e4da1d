/** Gives ids to the stages that have none of their own, and tells of ids that are wrong or given twice. */
import { STAGE_OPTIONS } from './layout.ts'
import type { Diagnostics } from './diagnostic.ts'
import type { DraftNode } from './nodes.ts'
import { shown } from './tree.ts'
import type { Tree } from './tree.ts'

const ID = new RegExp(STAGE_OPTIONS.id.pattern ?? '')

/** The id that a stage's entry gives, or undefined; a wrong one is told. */
export function givenId(tree: Tree, diagnostics: Diagnostics): string | undefined {
  const entry = tree.kind === 'map' ? tree.entries.find(one => one.key === 'id') : undefined
  if (entry === undefined) return undefined
  const { value } = entry
  if (value.kind === 'leaf' && typeof value.value === 'string' && ID.test(value.value)) return value.value
  diagnostics.error('CONFIG_VALUE', value.place, `An id is made of letters, digits, _ and -, and begins with a letter; not ${shown(value)}.`, { expected: 'an id such as late_flights' })
  return undefined
}

/** Sources and stages share one set of ids: `from` names both. Sinks have a set of their own. */
export function giveIds(feeders: readonly DraftNode[], sinks: readonly DraftNode[], diagnostics: Diagnostics): void {
  for (const node of [...feeders, ...sinks]) {
    const own = node.id.slice(node.scope.length)
    if (node.kind !== 'stage' && !ID.test(own)) {
      diagnostics.error('CONFIG_VALUE', node.idPlace, `An id is made of letters, digits, _ and -, and begins with a letter; not ${JSON.stringify(own)}.`, { expected: 'an id such as late_flights' })
    }
  }
  const taken = new Map<string, DraftNode>()
  for (const node of feeders) {
    if (node.id === node.scope) continue
    const before = taken.get(node.id)
    if (before === undefined) taken.set(node.id, node)
    else diagnostics.error('CONFIG_ID_TWICE', node.idPlace, `The id "${node.id}" is taken by a ${before.kind} in line ${before.idPlace.file.position(before.idPlace.start).line}.`)
  }
  for (const node of feeders) {
    if (node.id !== node.scope) continue
    for (let number = 1; node.id === node.scope; number++) {
      const id = `${node.scope}${node.type}${number === 1 ? '' : `-${number}`}`
      if (!taken.has(id)) node.id = id
    }
    taken.set(node.id, node)
  }
}
