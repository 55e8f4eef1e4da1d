/** What a run starts from: the last cut, of its state folder or of the ground that its sinks share. */
import { SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import { systemFiles } from '../platform/index.ts'
import { CheckpointLog, CommittedCuts } from './checkpoint/index.ts'
import type { CutLog } from './checkpoint/index.ts'
import type { Committer, ComponentContext, SinkDeclaration } from './component.ts'
import type { PipelineConfig, Registry } from './config.ts'
import type { GroupState } from './messages.ts'
import { prepareConfig } from './prepare.ts'
import type { OpenSource } from './sources.ts'

export interface RunState {
  readonly log: CutLog
  readonly committer: Committer | undefined
  readonly positions: Readonly<Record<string, JsonValue>>
  readonly marks: Readonly<Record<string, JsonValue>>
  readonly groups: readonly GroupState[]
  /** Positions of sources that stand aside: they stay in the cuts. */
  readonly aside: Readonly<Record<string, JsonValue>>
}

/**
 * Sources whose ids begin so are read now and then instead of the others: dead letters that are fed back. Their positions stay while the others run, and those of the others
 * while they do, so that both go on where they were.
 */
export const DEAD_LETTER_INPUT = 'input_dead_letters'

export interface Ground {
  readonly name: string
  readonly declaration: SinkDeclaration
  /** Id of the first sink on it. */
  readonly sink: string
}

/** The ground that all sinks share, if there is one. `consumed`: what sources consumed can be committed on it too. */
export function groundOf(config: PipelineConfig, registry: Registry, context: (id: string) => ComponentContext): { readonly ground: Ground; readonly consumed: boolean } | undefined {
  const sinks = config.sinks.map(({ id, type, config: own }) => {
    const declaration = registry.sink(type)
    const name = declaration?.ground?.(prepareConfig(declaration.config, own, context(id)), context(id))
    return declaration === undefined || name === undefined ? undefined : { name, declaration, sink: id }
  })
  const [ground] = sinks
  if (ground === undefined || sinks.some(one => one?.name !== ground.name)) return undefined
  const sources = config.sources.map(({ id, type, config: own }) => {
    const declaration = registry.source(type)
    return declaration?.ground?.(prepareConfig(declaration.config, own, context(id)), context(id))
  })
  return { ground, consumed: sources.every(name => name === ground.name) }
}

/** Opens the pipeline's state, if it has one. Says so where what it finds is not what the pipeline expects. */
export async function openState(config: PipelineConfig, registry: Registry, context: (id: string) => ComponentContext, warn: (message: string) => void): Promise<RunState | undefined> {
  const committer = committerOf(config, registry, context)
  if (committer === undefined && config.state === undefined) return undefined
  const log = committer === undefined ? await CheckpointLog.open(config.state ?? '', config.name, systemFiles) : await CommittedCuts.open(committer, config.name)
  if (log.torn > 0) warn(`The last ${log.torn} bytes of the checkpoints were torn and have been cut off; the run goes on from the cut before.`)
  const { positions = {}, marks = {}, groups = [] } = log.last ?? {}
  const known = new Set([...config.sources, ...config.stages, ...config.sinks].map(node => node.id))
  const isFedBack = (id: string): boolean => id.startsWith(DEAD_LETTER_INPUT)
  const feedsBack = config.sources.some(({ id }) => isFedBack(id))
  const aside = Object.fromEntries(Object.entries(positions).filter(([id]) => !known.has(id) && (feedsBack || isFedBack(id))))
  for (const id of [...Object.keys(positions).filter(id => !(id in aside)), ...new Set(groups.map(group => group.stage))]) {
    if (!known.has(id)) warn(`The checkpoint knows "${id}", which the pipeline no longer has: what is kept for it is ignored.`)
  }
  return { log, committer, positions, marks, groups, aside }
}

/** Why the delivery that is asked for can't be had; undefined where it can. */
export function deliveryProblem(config: PipelineConfig, registry: Registry, context: (id: string) => ComponentContext): string | undefined {
  if (config.delivery !== 'exactly_once' || config.state !== undefined || groundOf(config, registry, context) !== undefined) return undefined
  return '"delivery: exactly_once" needs sinks that write to one log or one database, or "state" and sinks that can go back to a checkpoint.'
}

function committerOf(config: PipelineConfig, registry: Registry, context: (id: string) => ComponentContext): Committer | undefined {
  const { delivery, state } = config
  if (delivery === 'at_least_once' || (delivery === undefined && state !== undefined)) return undefined
  const problem = deliveryProblem(config, registry, context)
  if (problem !== undefined) throw new SluiceError('CONFIG_VALUE', problem)
  const shared = groundOf(config, registry, context)
  if (delivery === 'exactly_once') {
    if (shared === undefined || state !== undefined) return undefined
  } else if (shared?.consumed !== true) return undefined
  const { name, declaration, sink } = shared.ground
  return declaration.committer?.(name, config.name, context(sink))
}

/** Lets cuts that are committed with the output take what the sources consumed along. */
export function joinSources(state: RunState | undefined, sources: readonly OpenSource[]): void {
  if (!(state?.log instanceof CommittedCuts)) return
  state.log.consumedBy(positions => sources.map(({ id, source }) => {
    const position = positions[id]
    return position === undefined ? undefined : source.consumed?.(position)
  }).filter(consumed => consumed !== undefined))
}
