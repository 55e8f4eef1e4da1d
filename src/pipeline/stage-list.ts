/**
 * Reads `stages:` and puts in place of each `use` the stages of the template that it names.
 *
 * The stages of a use get ids below its own: `late/filter`. From outside, `late` stands for the last of them. Within a template, names are
 * looked up in the template first. Bounded: how deep templates use each other, and how many stages there are in all.
 */
import { givenId } from './ids.ts'
import { readStage } from './nodes.ts'
import type { DraftNode } from './nodes.ts'
import type { PipelineReading } from './pipeline-reader.ts'
import { Templates } from './templates.ts'
import type { Use } from './templates.ts'
import { isBroken, isEmpty, shown } from './tree.ts'
import type { Tree } from './tree.ts'

export const STAGES_MAX = 10_000
export const TEMPLATE_DEPTH_MAX = 16

export interface StageList {
  readonly stages: readonly DraftNode[]
  /** Ids of uses, each with the last stage of its template. To be asked once ids have been given. */
  aliases(): ReadonlyMap<string, DraftNode>
}

export function readStages(tree: Tree | undefined, templates: Tree | undefined, reading: PipelineReading): StageList {
  const list = new StageReader(new Templates(templates, reading), reading)
  if (tree !== undefined && !isEmpty(tree)) list.read(tree, '', [])
  return { stages: list.stages, aliases: () => list.aliases }
}

class StageReader {
  readonly stages: DraftNode[] = []
  readonly aliases = new Map<string, DraftNode>()
  readonly #templates: Templates
  readonly #reading: PipelineReading
  readonly #useIds = new Set<string>()

  constructor(templates: Templates, reading: PipelineReading) {
    this.#templates = templates
    this.#reading = reading
  }

  read(tree: Tree, scope: string, chain: readonly string[]): void {
    const { diagnostics } = this.#reading
    if (isBroken(tree)) return
    if (tree.kind !== 'list') {
      const hint = tree.kind === 'map' ? 'Begin each stage with "- ".' : 'For example: stages: [filter: event.delay > 60]'
      diagnostics.error('CONFIG_VALUE', tree.place, `"stages" must be a list of stages, not ${shown(tree)}.`, { expected: 'a list of stages', hint })
      return
    }
    for (const item of tree.items) {
      if (this.stages.length >= STAGES_MAX) {
        diagnostics.error('CONFIG_LIMIT', item.place, `A pipeline can't have more than ${STAGES_MAX} stages.`)
        return
      }
      const use = this.#templates.use(item)
      if (use !== undefined) this.#expand(use, scope, chain)
      else this.#single(item, scope)
    }
  }

  #single(item: Tree, scope: string): void {
    const { diagnostics } = this.#reading
    const id = givenId(item, diagnostics)
    const node = readStage(item, scope, this.#reading)
    if (node === undefined) return
    node.id = scope + (id ?? '')
    this.stages.push(node)
  }

  #expand(use: Use, scope: string, chain: readonly string[]): void {
    const { diagnostics } = this.#reading
    if (chain.includes(use.name)) {
      diagnostics.error('CONFIG_CYCLE', use.place, `These templates use each other in a circle: ${[...chain.slice(chain.indexOf(use.name)), use.name].join(' -> ')}.`)
      return
    }
    if (chain.length >= TEMPLATE_DEPTH_MAX) {
      diagnostics.error('CONFIG_LIMIT', use.place, `Templates can't use each other more than ${TEMPLATE_DEPTH_MAX} deep.`)
      return
    }
    const stages = this.#templates.stagesOf(use)
    if (stages === undefined) return
    const id = this.#useId(givenId(use.tree, diagnostics) ?? use.name, scope, use)
    const first = this.stages.length
    this.read(stages, `${id}/`, [...chain, use.name])
    const [head] = this.stages.slice(first)
    const tail = this.stages.at(-1)
    if (head === undefined || tail === undefined) return
    // The `from` of the use is that of its first stage, looked up where the use stands.
    if (use.from !== undefined) this.stages[first] = { ...head, options: [...head.options.filter(entry => entry.key !== 'from'), use.from] }
    this.aliases.set(id, this.stages.at(-1) ?? tail)
  }

  #useId(wanted: string, scope: string, use: Use): string {
    for (let number = 1; ; number++) {
      const id = `${scope}${wanted}${number === 1 ? '' : `-${number}`}`
      if (this.#useIds.has(id)) {
        if (use.hasId) this.#reading.diagnostics.error('CONFIG_ID_TWICE', use.place, `The id "${id}" is taken by another template's use.`)
        continue
      }
      this.#useIds.add(id)
      return id
    }
  }
}
