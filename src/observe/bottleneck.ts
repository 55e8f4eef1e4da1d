/** Says in one sentence what a pipeline waits for, from what it says of itself at two moments. */
import type { Figures } from './figures.ts'

export interface Bottleneck {
  readonly kind: 'source' | 'stage' | 'sink'
  readonly id: string
  /** Share of the time in which it was at work, or was waited for, 0 to 1. */
  readonly busy: number
  /** Share of the workers' time in which they had nothing to do because of it, 0 to 1. */
  readonly held: number
}

/** Below this share of the time nothing holds anything up. */
const BUSY_LEAST = 0.5
/** Workers that are at work for this share of their time are the limit themselves. */
const WORKERS_FULL = 0.8

const percent = (share: number): string => `${Math.round(Math.min(share, 1) * 100)} %`

/** Undefined where there is none, or too little was seen. `before`: an earlier moment of the same run, or undefined for its start. */
export function bottleneckOf(now: Figures, before?: Figures): Bottleneck | undefined {
  const seconds = now.seconds - (before?.seconds ?? 0)
  if (seconds <= 0) return undefined
  const since = <T extends { readonly id: string }>(list: readonly T[], earlier: readonly T[] | undefined, of: (each: T) => number): { readonly id: string; readonly seconds: number }[] =>
    list.map(each => {
      const old = earlier?.find(({ id }) => id === each.id)
      return { id: each.id, seconds: of(each) - (old === undefined ? 0 : of(old)) }
    }).sort((a, b) => b.seconds - a.seconds)
  const total = (of: 'busy_seconds' | 'held_seconds'): number => {
    const sum = (figures: Figures | undefined): number => figures?.workers.reduce((all, worker) => all + worker[of], 0) ?? 0
    return (sum(now) - sum(before)) / (seconds * Math.max(1, now.workers.length))
  }
  const [busy, held] = [total('busy_seconds'), total('held_seconds')]
  const [sink] = since(now.sinks, before?.sinks, each => each.busy_seconds)
  const [stage] = since(now.stages, before?.stages, each => each.busy_seconds)
  const [source] = since(now.sources, before?.sources, each => each.waited_seconds)
  if (sink !== undefined && sink.seconds / seconds >= BUSY_LEAST && held > 1 - WORKERS_FULL) return { kind: 'sink', id: sink.id, busy: sink.seconds / seconds, held }
  if (busy >= WORKERS_FULL) {
    const [decoding] = since(now.sources, before?.sources, each => each.decode_seconds)
    const [encoding] = since(now.sinks, before?.sinks, each => each.encode_seconds)
    const [most] = [
      { kind: 'stage' as const, ...(stage ?? { id: '', seconds: 0 }) }, { kind: 'source' as const, ...(decoding ?? { id: '', seconds: 0 }) }, { kind: 'sink' as const, ...(encoding ?? { id: '', seconds: 0 }) },
    ].sort((a, b) => b.seconds - a.seconds)
    return most === undefined || most.id === '' ? undefined : { kind: most.kind, id: most.id, busy: most.seconds / (seconds * Math.max(1, now.workers.length)), held: 0 }
  }
  // With stages that wait, batches are under way and workers are at work by that.
  if (stage !== undefined && busy >= BUSY_LEAST && stage.seconds / seconds >= BUSY_LEAST) return { kind: 'stage', id: stage.id, busy: stage.seconds / (seconds * Math.max(1, now.workers.length)), held: 0 }
  if (source !== undefined && source.seconds / seconds >= BUSY_LEAST) return { kind: 'source', id: source.id, busy: source.seconds / seconds, held: 1 - busy - held }
  return undefined
}

/** The sentence. */
export function bottleneckText(now: Figures, before?: Figures): string {
  const found = bottleneckOf(now, before)
  const workers = `${now.workers.length} ${now.workers.length === 1 ? 'worker' : 'workers'}`
  if (found === undefined) return `bottleneck: none; ${workers}`
  const { kind, id, busy, held } = found
  if (kind === 'source' && held > 0) return `bottleneck: source "${id}" (waited for ${percent(busy)} of the time); the workers have nothing to do for ${percent(held)} of it; ${workers}`
  if (kind === 'sink' && held > 0) return `bottleneck: sink "${id}" (busy ${percent(busy)}); the workers wait for it ${percent(held)} of the time; ${workers}`
  const what = kind === 'stage' ? 'stage' : kind === 'source' ? 'decoding of source' : 'encoding for sink'
  return `bottleneck: ${what} "${id}" (${percent(busy)} of the workers' time); ${workers}`
}
