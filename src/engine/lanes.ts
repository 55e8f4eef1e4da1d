/**
 * The components of one host: stages, partition keys and encoders, made once and shared by all segments of the host.
 */
import { Policy, SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import { closeEach, unclosed } from './closing.ts'
import { stageWaits } from './component.ts'
import type { ComponentContext, SinkEncoding, Stage } from './component.ts'
import type { Registry, SinkConfig, StageConfig } from './config.ts'
import type { BufferPool } from './buffers.ts'
import type { Counts } from './counts.ts'
import { ownsLane } from './crew.ts'
import { StageMemory, keyGroup } from './memory.ts'
import type { GroupState } from './messages.ts'
import type { Node, Plan } from './plan.ts'
import { prepareConfig } from './prepare.ts'
import type { CompiledExpression } from './prepare.ts'
import type { SegmentParts } from './segment.ts'
import { Slots } from './adaptive/slots.ts'
import { BlockEncoder, SinkEncoder } from './sink-encoder.ts'
import type { RowEncoder } from './sink-encoder.ts'
import { StageRunner } from './stage-runner.ts'
import { Sampler } from './tap/sampler.ts'
import { WorkClock } from './work-clock.ts'
import type { WorkNotes } from './work-notes.ts'
import * as field from './fields.ts'

/** What a segment needs, and when its stages want to be ticked. */
export interface LevelParts extends SegmentParts {
  wakeAt(): number | undefined
}

export interface LanesOptions {
  readonly plan: Plan
  readonly registry: Registry
  readonly lanes: number
  readonly lane: number
  readonly pieces?: boolean
  readonly context: (id: string) => ComponentContext
  readonly restore: readonly GroupState[]
  /** What the opened sinks told, by id. */
  readonly facts: SinkFacts
  readonly notes?: WorkNotes | undefined
}

export type SinkFacts = Readonly<Record<string, JsonValue>>

interface StageParts {
  readonly stage: Stage
  readonly config: StageConfig
  readonly memory: StageMemory
  readonly policy: Policy | undefined
  /** Where as many calls are under way as the other side takes. */
  readonly slots: Slots | undefined
  readonly level: number
  /** Milliseconds that one call of it may wait; undefined: it sees to that itself. */
  readonly callMax: number | undefined
}

const PARTITION_CONFIG = field.object({ key: field.expression() })

export class LanesParts {
  readonly #options: LanesOptions
  readonly #pool: BufferPool
  readonly #stages = new Map<number, StageParts>()
  readonly #partitions = new Map<number, CompiledExpression>()
  /** Where the host's time goes. */
  readonly work: WorkClock
  /** Who looks at the host's events. */
  readonly taps: Sampler

  constructor(options: LanesOptions, pool: BufferPool) {
    this.#options = options
    this.#pool = pool
    this.work = new WorkClock(options.plan.nodes.length)
    this.taps = new Sampler(options)
    for (const node of options.plan.nodes) this.#make(node)
  }

  #make(node: Node): void {
    const { plan, lane, lanes, pieces = true } = this.#options
    const level = plan.levels[node.level]
    const isHere = node.level === 0 ? pieces : level !== undefined && ownsLane(level, lanes, lane)
    const config = node.config as StageConfig // True for stages and partitions; others are left out below.
    if (node.kind === 'partition') {
      this.#partitions.set(node.index, prepareConfig(PARTITION_CONFIG, config.config, this.#options.context(node.id)).key)
    }
    if (node.kind !== 'stage' || !isHere) return
    const parts = this.#stage(node, config)
    const { policy } = parts
    this.#stages.set(node.index, parts)
    if (policy?.limitedMs !== undefined) this.work.limit(node.index, () => policy.limitedMs ?? 0)
  }

  #stage(node: Node, config: StageConfig): StageParts {
    const { registry, context, restore } = this.#options
    const declaration = registry.stage(config.type)
    if (declaration === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `There is no stage of type "${config.type}".`)
    const memory = new StageMemory(restore.filter(group => group.stage === node.id), group => this.#owns(node.level, group))
    const base = context(node.id)
    const stage = declaration.create(prepareConfig(declaration.config, config.config, base), { ...base, state: memory })
    const { stallTimeout = 0 } = this.#options.plan.config
    const callMax = declaration.foreign === true && stallTimeout > 0 ? stallTimeout : undefined
    return { stage, config, memory, policy: stageWaits(declaration, config.config) ? stagePolicy(config, base) : undefined, slots: config.concurrency === 'auto' ? new Slots({ monotonic: () => performance.now(), limited: base.limited }) : undefined, level: node.level, callMax }
  }

  #owns(level: number, group: number): boolean {
    return this.#options.plan.levels[level]?.keyed !== true || group % this.#options.lanes === this.#options.lane
  }

  async open(): Promise<void> {
    for (const { stage } of this.#stages.values()) await stage.open?.()
  }

  /** What can't be closed is told of: who waits for the end of this host must not wait in vain. */
  async close(): Promise<void> {
    const { context } = this.#options
    const stages = [...this.#stages.values()].map(({ stage, config: { id } }) => ({ id, close: () => stage.close?.() }))
    await closeEach(stages, (id, error) => context(id).warn(unclosed(error)))
  }

  /** What changed in the memory of a level's stages since the last snapshot. */
  snapshot(level: number): GroupState[] {
    const groups: GroupState[] = []
    for (const [index, parts] of this.#stages) {
      if (parts.level !== level) continue
      const stage = this.#options.plan.nodes[index]?.id ?? ''
      for (const group of parts.memory.changed()) groups.push({ stage, ...group })
    }
    return groups
  }

  /** The stage of a node, if it lives on this host. */
  stage(node: number): Stage | undefined {
    return this.#stages.get(node)?.stage
  }

  /** True where the stage of a node waits for the outside. */
  waits(node: number): boolean {
    return this.#stages.get(node)?.policy !== undefined
  }

  /** How a sink's bytes are made, if this host makes them. */
  encodingOf(node: Node): SinkEncoding | undefined {
    const { registry, context } = this.#options
    const config = node.config as SinkConfig // Only asked for sinks.
    const declaration = registry.sink(config.type)
    const own = context(node.id)
    return declaration?.encoding(prepareConfig(declaration.config, config.config, own), own, this.#options.facts[node.id])
  }

  /**
   * Parts for one segment of a level: runners and encoders of its own around the shared components. `tickets` asks for the place of every row, so that they can be
   * merged with others.
   */
  level(level: number, counts: Counts, tickets = false): LevelParts {
    const { plan, lanes, context, notes } = this.#options
    const next = plan.levels[level + 1]
    const stages = new Map<number, StageRunner>()
    for (const [index, parts] of this.#stages) {
      if (parts.level !== level) continue
      const policy = policyCall(parts.policy, context(parts.config.id), parts.callMax)
      const watch = notes === undefined ? undefined : { notes, node: index }
      stages.set(index, new StageRunner(parts.stage, parts.config, counts, policy, parts.memory, watch, parts.slots))
    }
    const clock = context('dead_letters')
    return {
      stages,
      partitions: this.#partitions,
      work: this.work,
      taps: this.taps,
      encoders: this.#encoders(level, tickets),
      lanes: next === undefined ? 0 : next.keyed ? lanes : 1,
      numbered: plan.levels[level]?.keyed === true && lanes > 1,
      laneOf: partition => keyGroup(partition) % lanes,
      now: () => clock.now(),
      wakeAt: () => earliest([...stages.values()].map(runner => runner.stage.wakeAt?.())),
    }
  }

  #encoders(level: number, tickets: boolean): Map<number, RowEncoder> {
    const { plan, registry, context, lanes, facts } = this.#options
    const keyed = tickets || (plan.levels[level]?.keyed === true && lanes > 1)
    const encoders = new Map<number, RowEncoder>()
    for (const node of plan.nodes) {
      const here = node.kind === 'sink' ? node.level === level : node.kind === 'dead_letters'
      if (here) encoders.set(node.index, sinkEncoder(node, registry, context(node.id), { keyed, lines: tickets && node.kind === 'sink', facts: facts[node.id], pool: this.#pool }))
    }
    return encoders
  }
}

export interface EncoderOptions {
  /** True where rows of several lanes are put in order. */
  readonly keyed: boolean
  /** True for JSON lines where the sink takes blocks: they become one later, together with those that the columns made. */
  readonly lines: boolean
  readonly facts: JsonValue | undefined
  readonly pool: BufferPool
}

/** The encoder of a sink's node. */
export function sinkEncoder(node: Node, registry: Registry, context: ComponentContext, options: EncoderOptions): RowEncoder {
  const config = node.config as SinkConfig // The node of a sink, or of the dead letters.
  const declaration = registry.sink(config.type)
  if (declaration === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `There is no sink of type "${config.type}".`)
  const encoding = declaration.encoding(prepareConfig(declaration.config, config.config, context), context, options.facts)
  const block = encoding.block?.bind(encoding)
  if (block !== undefined && !options.lines) return new BlockEncoder(node.index, encoding, block)
  const codec = registry.codec(encoding.format)
  if (codec?.encoder === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `Sink "${node.id}": the format "${encoding.format}" can't be written.`)
  const encoder = codec.encoder(prepareConfig(codec.config, encoding.options, context))
  const rows = encoding.rows === true
  // Dead letters come from all stages in turn: their tickets put them in the order of the batch.
  const { keyed, pool } = options
  const tickets = rows || keyed || node.kind === 'dead_letters'
  return new SinkEncoder(node.index, encoder, encoding, { ends: rows || keyed, tickets, origins: rows && node.kind === 'sink' }, pool)
}

function stagePolicy(config: StageConfig, context: ComponentContext): Policy {
  return new Policy({ retry: config.retry, breaker: config.breaker, rateLimit: config.rateLimit }, context, state => context.trouble?.breaker(state))
}

function policyCall(policy: Policy | undefined, context: ComponentContext, callMax: number | undefined): ((work: () => Promise<void>) => Promise<number>) | undefined {
  if (policy === undefined) return undefined
  return async work => {
    const { trouble } = context
    const call = callMax === undefined ? work : () => within(work(), callMax, context)
    try {
      const { attempts } = await policy.call({ events: 1, bytes: 0 }, trouble === undefined ? call : () => trouble.watch(call), context.signal)
      return attempts
    } catch (error) {
      // What a stop at once cut off is not the event's fault, whatever the error says.
      if (context.signal.aborted) throw new SluiceError('ABORTED', 'Stopped at once.', { cause: error })
      throw error
    }
  }
}

/** A call that never answers is given up; what it answers later is looked at by nobody. */
async function within(work: Promise<void>, ms: number, context: ComponentContext): Promise<void> {
  const over = new AbortController()
  const late = context.sleep(ms, over.signal).then(() => {
    throw new SluiceError('TIMED_OUT', `The stage did not answer within ${ms} ms (\`stall_timeout\`).`, { retry: true })
  })
  // The sleep is cut short when the work is done first.
  late.catch(() => undefined)
  try {
    await Promise.race([work, late])
  } finally {
    over.abort()
    work.catch(() => undefined)
  }
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  let first: number | undefined
  for (const time of times) if (time !== undefined && (first === undefined || time < first)) first = time
  return first
}
