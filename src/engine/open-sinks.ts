/** Builds and opens the sinks of a plan, and sends what they refuse to the dead letters. */
import { Policy, SluiceError } from '../base/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import type { Clock } from '../platform/index.ts'
import { BufferPool } from './buffers.ts'
import type { Committer, ComponentContext, Sink } from './component.ts'
import type { BatchConfig, Registry, SinkConfig } from './config.ts'
import type { Coordinator } from './coordinator.ts'
import { codeOf, deadLetter } from './dead-letter.ts'
import { watchSink } from './foreign-ends.ts'
import { FrameReader, nextRows } from './frame.ts'
import type { SourceSlab } from './frame.ts'
import { sinkEncoder } from './lanes.ts'
import type { SinkFacts } from './lanes.ts'
import type { Node, Plan } from './plan.ts'
import { prepareConfig } from './prepare.ts'
import type { RowEncoder } from './sink-encoder.ts'
import { SinkRunner } from './sink-runner.ts'
import type { Refused } from './sink-runner.ts'

export interface SinkParts {
  readonly plan: Plan
  readonly clock: Clock
  readonly registry: Registry
  readonly context: (id: string) => ComponentContext
  readonly marks: Readonly<Record<string, JsonValue>>
  /** Sinks that are open and go on as they are, by id. */
  readonly kept: ReadonlyMap<string, SinkRunner>
  readonly signal: AbortSignal
  readonly refused: Refused
  readonly failed: (error: unknown) => void
  readonly committer: Committer | undefined
}

/** Opens all sinks that are not kept, each at its mark. If one fails, those opened here are closed again. */
export async function openSinks({ plan, clock, registry, context, marks, kept, signal, refused, failed, committer }: SinkParts): Promise<Map<number, SinkRunner>> {
  const runners = new Map<number, SinkRunner>()
  for (const index of [...plan.sinks, plan.deadLetters]) {
    const node = plan.nodes[index]
    if (node !== undefined) runners.set(index, kept.get(node.id) ?? makeRunner(node, plan, clock, registry, context(node.id), signal, refused, failed))
  }
  const open: SinkRunner[] = []
  try {
    for (const runner of runners.values()) {
      if (kept.has(runner.id)) {
        runner.rewire(refused, failed)
        continue
      }
      open.push(runner)
      await runner.sink.open(marks[runner.id], committer)
    }
  } catch (error) {
    for (const runner of open) await runner.sink.close('failed')
    throw error
  }
  return runners
}

/** What the opened sinks tell their workers' halves, by id. */
export function factsOf(sinks: ReadonlyMap<number, SinkRunner>): SinkFacts {
  const facts: Record<string, JsonValue> = {}
  for (const { id, sink } of sinks.values()) {
    const told = sink.facts?.()
    if (told !== undefined) facts[id] = told
  }
  return facts
}

function makeRunner(
  node: Node,
  { config: { stallTimeout, batch } }: Plan,
  clock: Clock,
  registry: Registry,
  context: ComponentContext,
  signal: AbortSignal,
  refused: Refused,
  failed: (error: unknown) => void,
): SinkRunner {
  const config = node.config as SinkConfig // The node of a sink, or of the dead letters.
  const sink = watchSink(makeSink(node, registry, context), registry.sink(config.type)?.foreign === true && stallTimeout !== 0 ? stallTimeout : undefined, context)
  const policy = new Policy({ retry: config.retry, breaker: config.breaker, rateLimit: config.rateLimit }, context, state => context.trouble?.breaker(state))
  return new SinkRunner(node.id, sink, policy, signal, refused, failed, { batch: withinLatency(batch), clock }, context.trouble, context.limited)
}

/** Waiting for more may take a quarter of the time that a batch has. */
function withinLatency(batch: BatchConfig): BatchConfig {
  return batch.latency === undefined ? batch : { ...batch, age: Math.min(batch.age, batch.latency / 4) }
}

/** Makes the sink of a node, without opening it. */
export function makeSink(node: Node, registry: Registry, context: ComponentContext): Sink {
  const config = node.config as SinkConfig // The node of a sink, or of the dead letters.
  const declaration = registry.sink(config.type)
  if (declaration === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `There is no sink of type "${config.type}".`)
  return declaration.create(prepareConfig(declaration.config, config.config, context), context)
}

/** What to do with rows that a sink refused: records for the dead letters, written on behalf of the same batch. */
export function refusedToDeadLetters(
  plan: Plan,
  registry: Registry,
  context: (id: string) => ComponentContext,
  coordinator: () => Coordinator | undefined,
  facts: () => SinkFacts,
  look: (letter: Event) => void = () => undefined,
): Refused {
  const letters = plan.nodes[plan.deadLetters] as Node // The plan's own index.
  // Made when it is needed: by then the sink is open, and has told what is to be known of it.
  let encoder: RowEncoder | undefined
  return (rows, refused, flight) => {
    const events = rows.origins.flatMap(frame => nextRows([new FrameReader(frame)], Infinity).map(row => row.event)).sort((a, b) => a.ticket - b.ticket)
    const stage = plan.nodes[rows.sink]?.id ?? ''
    for (const { row, error, attempts } of refused) {
      const event = events[row]
      if (event === undefined) throw new SluiceError('INTERNAL', `sink "${stage}" refused row ${row} of ${events.length}`)
      const slab = event.slab as SourceSlab // From a frame.
      const failure = { stage, source: slab.source, position: event.position, original: event.original, error, attempts, meta: slab.meta }
      encoder ??= sinkEncoder(letters, registry, context(letters.id), { keyed: false, lines: false, facts: facts()[letters.id], pool: new BufferPool() })
      const letter = event.derive({ ...deadLetter(plan.config.name, failure, context(stage).now()) })
      look(letter)
      encoder.add([letter])
    }
    const to = coordinator()
    if (to === undefined) throw new SluiceError('INTERNAL', 'rows were refused before the pipeline ran')
    to.refused(stage, refused.map(({ error }) => codeOf(error)))
    for (const made of encoder?.take() ?? []) to.write(made, flight)
  }
}
