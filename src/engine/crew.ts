/**
 * Which worker threads a run has, and what each does.
 *
 *     usual    [ pieces and lane 0 ] [ pieces and lane 1 ] ...
 *     apart    [ lane 0 ] [ lane 1 ] ... [ pieces ] [ pieces ] ...
 *
 * Lanes have threads apart from the pieces where code of users runs on the pieces: a thread that hangs in it can then be ended without the memory of any stage.
 */
import type { PipelineConfig, Registry } from './config.ts'
import type { Plan } from './plan.ts'

export interface Crew {
  /** The first so many threads own lanes. */
  readonly lanes: number
  /** The first thread that takes pieces; all behind it do so too. */
  readonly first: number
  readonly total: number
}

export const ALONE: Crew = { lanes: 1, first: 0, total: 1 }

export function crewOf(plan: Plan, threads: number, isApart: boolean): Crew {
  if (!isApart) return { lanes: threads, first: 0, total: threads }
  const lanes = plan.levels.some(({ keyed }) => keyed) ? threads : 1
  return { lanes, first: lanes, total: lanes + threads }
}

/** True where code of users runs: plug-ins, and functions in files. */
export function runsForeignCode({ plugins = [], stages }: PipelineConfig, registry: Registry): boolean {
  return plugins.length > 0 || stages.some(({ type }) => registry.stage(type)?.foreign === true)
}

/** True where stages of users work on pieces, and others with memory on lanes. */
export function wantsApart(plan: Plan, registry: Registry): boolean {
  if (plan.levels.length === 1) return false
  return plan.nodes.some(({ kind, level, config }) => kind === 'stage' && level === 0 && config !== undefined && registry.stage(config.type)?.foreign === true)
}

/** True where stages of users work on lanes. */
export function hasForeignLanes(plan: Plan, registry: Registry): boolean {
  return plan.nodes.some(({ kind, level, config }) => kind === 'stage' && level > 0 && config !== undefined && registry.stage(config.type)?.foreign === true)
}

/** True where a thread can be ended without the memory of stages being lost with it. */
export function ownsNothing(plan: Plan, { lanes }: Crew, thread: number): boolean {
  return plan.levels.every(level => !ownsLane(level, lanes, thread))
}

/** True where a thread owns a lane of the level: one of a keyed level, or the first. */
export function ownsLane({ index, keyed }: Plan['levels'][number], lanes: number, thread: number): boolean {
  return index > 0 && (keyed ? thread < lanes : thread === 0)
}
