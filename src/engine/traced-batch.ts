/** What a tracer is told of a batch once the first level has answered for it. */
import type { TracedBatch } from '../observe/index.ts'
import type { Clock } from '../platform/index.ts'
import type { Flight } from './flight.ts'
import type { FromHost } from './messages.ts'
import type { Plan } from './plan.ts'
import { spent } from './work-clock.ts'

export function tracedBatch(plan: Plan, clock: Clock, { source, since, input }: Flight, { counts, bytes, work, traces }: Extract<FromHost, { kind: 'done' }>): TracedBatch {
  const node = plan.nodes[source ?? -1]
  return {
    pipeline: plan.config.name,
    source: node?.id ?? '',
    type: node?.config?.type ?? '',
    position: JSON.stringify(input?.from ?? null),
    events: counts.in,
    bytes,
    since: clock.now() - (clock.monotonic() - since),
    traces,
    stages: work.flatMap(each => {
      const stage = plan.nodes[each.node]
      return stage?.kind === 'stage' ? [{ id: stage.id, seconds: spent([each]) }] : []
    }),
  }
}
