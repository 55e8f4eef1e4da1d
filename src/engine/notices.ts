/** What a run tells, in words. */
import { likeness } from '../observe/index.ts'
import type { Notice } from '../observe/index.ts'
import type { PipelineConfig } from './config.ts'
import type { ReloadOutcome } from './reload.ts'
import type { Report } from './report.ts'

export function warning(place: string, message: string, key?: string): Notice {
  return { level: 'warn', kind: 'message', place, text: message, key: key ?? likeness(message) }
}

export function started({ sources, stages, sinks, state }: PipelineConfig, workers: number): Notice {
  const ids = (nodes: readonly { readonly id: string }[]): string[] => nodes.map(({ id }) => id)
  return { level: 'info', kind: 'running', text: 'All parts are open.', fields: { generation: 1, sources: ids(sources), stages: ids(stages), sinks: ids(sinks), workers, state } }
}

export function stopped({ events_in, events_out, filtered, dead_lettered, in_flight, retries, seconds, stopped_by }: Report): Notice {
  const out = Object.values(events_out).reduce((sum, events) => sum + events, 0)
  const text = `${stopped_by === 'end of input' ? 'Done' : 'Stopped'} after ${seconds.toFixed(1)} s.`
  return { level: 'info', kind: 'stop', text, fields: { stopped_by, seconds, events_in, events_out: out, filtered, dead_lettered, in_flight, retries } }
}

/** Events that a component gave up. Their reasons may quote them, and stand in the dead letters alone. */
export function deadLetters(place: string, code: string, events: number): Notice {
  return { level: 'warn', kind: 'dead_letters', place, text: `${events === 1 ? '1 event' : `${events} events`} to the dead letters: ${code}`, count: events, key: code, fields: { code } }
}

export function reloaded(made: ReloadOutcome): Notice {
  const { outcome, generation, error } = made
  const fields = { outcome, generation, kept: made.difference.kept, restarted: made.difference.restarted, added: made.difference.added, removed: made.difference.removed, code: error?.code }
  if (outcome === 'switched') return { level: 'info', kind: 'reload', text: `Reloaded: ${outcomeText(made)}.`, fields }
  return { level: 'warn', kind: 'reload', text: `Not reloaded (${outcome.replace('_', ' ')}), generation ${generation} goes on: ${error?.message ?? ''}`, fields }
}

/** `generation 3; restarted a; added b` */
function outcomeText({ generation, difference: { restarted, added, removed } }: ReloadOutcome): string {
  const parts = Object.entries({ restarted, added, removed }).filter(([, ids]) => ids.length > 0).map(([what, ids]) => `${what} ${ids.join(', ')}`)
  return [`generation ${generation}`, ...(parts.length === 0 ? ['nothing else has changed'] : parts)].join('; ')
}
