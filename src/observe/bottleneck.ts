/**
 * Says in one sentence what a pipeline waits for, from what it says of itself at two moments.
 *
 *     a sink is under way and workers are held     -> the sink       workers are at work        -> the stage, decoding or encoding that takes most of it
 *     one worker of several is at work             -> the stage      sources are asked and slow -> the source
 *
 * What is under way need not be at work: a write may wait for a server that is gone, a breaker, or its own rate limit. Then that is said.
 */
import type { Figures, SinkFigures, StageFigures } from './figures.ts'

export interface Bottleneck {
  readonly kind: 'source' | 'stage' | 'sink'
  readonly id: string
  /** Share of the time in which it was at work, or was waited for, 0 to 1. */
  readonly busy: number
  /** Share of the workers' time in which they had nothing to do because of it, 0 to 1. */
  readonly held: number
  /** What it waits for itself, where that is the reason. */
  readonly by?: 'failing' | 'breaker' | 'rate_limit' | undefined
}

/** Below this share of the time nothing holds anything up. */
const BUSY_LEAST = 0.5
/** Workers that are at work for this share of their time are the limit themselves. */
const WORKERS_FULL = 0.8
/** Workers that have nothing to do for this share of it, because of sinks, are held up by them. */
const HELD_LEAST = 0.2

/** Seconds that a trouble lasts before it is more than a hiccup. */
const TROUBLE_LEAST = 2

const percent = (share: number): string => `${Math.round(Math.min(share, 1) * 100)} %`

/** What has grown between two moments. */
class Growth {
  readonly now: Figures
  readonly before: Figures | undefined
  readonly seconds: number
  /** Shares of the time of all workers together, and how much of its time the busiest was at work. */
  readonly busy: number
  readonly held: number
  readonly fullest: number

  constructor(now: Figures, before: Figures | undefined) {
    this.now = now
    this.before = before
    this.seconds = now.seconds - (before?.seconds ?? 0)
    // Workers come and go: one that is younger than its number was there before began at zero.
    const shares = (of: 'busy_seconds' | 'held_seconds'): number[] => now.workers.map((worker, at) => grown(worker[of], before?.workers[at]?.[of]) / this.seconds)
    const busy = shares('busy_seconds')
    this.busy = busy.reduce((sum, share) => sum + share, 0) / this.workers
    this.held = shares('held_seconds').reduce((sum, share) => sum + share, 0) / this.workers
    this.fullest = Math.max(0, ...busy)
  }

  get workers(): number {
    return Math.max(1, this.now.workers.length)
  }

  /** The one that has grown most, and by what share of the time. */
  most<T extends { readonly id: string }>(list: (figures: Figures) => readonly T[], of: (each: T) => number): { readonly each: T; readonly share: number } | undefined {
    const earlier = this.before === undefined ? [] : list(this.before)
    let most: { readonly each: T; readonly share: number } | undefined
    for (const each of list(this.now)) {
      const old = earlier.find(({ id }) => id === each.id)
      const share = grown(of(each), old === undefined ? undefined : of(old)) / this.seconds
      if (most === undefined || share > most.share) most = { each, share }
    }
    return most
  }

  /** What a component that is under way for this share of the time waits for itself. `limits`: how many rate limits it has, one on each worker. */
  by(one: SinkFigures | StageFigures, old: SinkFigures | StageFigures | undefined, under: number, limits = 1): Bottleneck['by'] {
    if (one.breaker === 'open' || one.breaker === 'half-open') return 'breaker'
    if ((one.trouble?.seconds ?? 0) >= TROUBLE_LEAST) return 'failing'
    const limited = grown(one.limited_seconds ?? 0, old?.limited_seconds) / this.seconds / limits
    // Several batches may be under way at once: their times add up, that of the limit does not.
    return limited >= Math.min(1, under) / 2 && limited > 0 ? 'rate_limit' : undefined
  }
}

function grown(now: number, before = 0): number {
  return now >= before ? now - before : now
}

/** Undefined where there is none, or too little was seen. `before`: an earlier moment of the same run, or undefined for its start. */
export function bottleneckOf(now: Figures, before?: Figures): Bottleneck | undefined {
  const growth = new Growth(now, before)
  if (growth.seconds <= 0 || now.state === 'paused') return undefined
  return sinkOf(growth) ?? workOf(growth) ?? stageOf(growth) ?? sourceOf(growth)
}

function sinkOf(growth: Growth): Bottleneck | undefined {
  const sink = growth.most(({ sinks }) => sinks, each => each.busy_seconds)
  if (sink === undefined || sink.share < BUSY_LEAST || growth.held <= HELD_LEAST) return undefined
  const { each, share } = sink
  return { kind: 'sink', id: each.id, busy: share, held: growth.held, by: growth.by(each, growth.before?.sinks.find(({ id }) => id === each.id), share) }
}

/** Workers are at work all the time: by what most. */
function workOf(growth: Growth): Bottleneck | undefined {
  if (growth.busy < WORKERS_FULL) return undefined
  const stage = growth.most(({ stages }) => stages, each => each.busy_seconds)
  const source = growth.most(({ sources }) => sources, each => each.decode_seconds)
  const sink = growth.most(({ sinks }) => sinks, each => each.encode_seconds)
  const most = Math.max(stage?.share ?? 0, source?.share ?? 0, sink?.share ?? 0)
  if (most === 0) return undefined
  if (stage?.share === most) return ofStage(growth, stage)
  const [kind, each] = source?.share === most ? ['source' as const, source.each] : ['sink' as const, sink?.each]
  return each === undefined ? undefined : { kind, id: each.id, busy: most / growth.workers, held: 0 }
}

/** A stage waits with batches under way, or one worker is full where others are not: that is so where a stage with memory lives on it. */
function stageOf(growth: Growth): Bottleneck | undefined {
  const stage = growth.most(({ stages }) => stages, each => each.busy_seconds)
  if (stage === undefined || stage.share <= 0) return undefined
  return growth.fullest >= WORKERS_FULL || (stage.share >= BUSY_LEAST && growth.busy >= BUSY_LEAST) ? ofStage(growth, stage) : undefined
}

function ofStage(growth: Growth, { each, share }: { readonly each: StageFigures; readonly share: number }): Bottleneck {
  const busy = share / growth.workers
  return { kind: 'stage', id: each.id, busy, held: 0, by: growth.by(each, growth.before?.stages.find(({ id }) => id === each.id), busy, growth.workers) }
}

/** One from which nothing came at all has nothing: that is no bottleneck, unless it is known to have more, or can't be reached. */
function sourceOf(growth: Growth): Bottleneck | undefined {
  const source = growth.most(({ sources }) => sources, each => each.waited_seconds)
  if (source === undefined || source.share < BUSY_LEAST) return undefined
  const { each: { id, trouble, lag = 0 }, share } = source
  if (trouble === undefined && lag === 0 && isSilent(growth)) return undefined
  return { kind: 'source', id, busy: share, held: 1 - growth.busy - growth.held, by: trouble === undefined ? undefined : 'failing' }
}

function isSilent({ now, before }: Growth): boolean {
  return now.events_in === (before?.events_in ?? 0)
}

const WHY = { failing: 'it fails and is tried again', breaker: 'its breaker holds it back', rate_limit: 'its rate limit holds it back' }

/** The sentence. */
export function bottleneckText(now: Figures, before?: Figures): string {
  const growth = new Growth(now, before)
  const workers = `${now.workers.length} ${now.workers.length === 1 ? 'worker' : 'workers'}`
  const found = bottleneckOf(now, before)
  if (found === undefined) return `bottleneck: none${whyNone(growth)}; ${workers}`
  const { kind, id, busy, held, by } = found
  const why = by === undefined ? '' : `; ${WHY[by]}`
  if (kind === 'source' && held > 0) return `bottleneck: source "${id}" (waited for ${percent(busy)} of the time${why}); the workers have nothing to do for ${percent(held)} of it; ${workers}`
  if (kind === 'sink' && held > 0) return `bottleneck: sink "${id}" (${by === undefined ? 'busy' : 'under way'} ${percent(busy)}${why}); the workers wait for it ${percent(held)} of the time; ${workers}`
  if (kind === 'stage') {
    const waits = now.stages.find(stage => stage.id === id)?.waits === true
    if (waits) return `bottleneck: stage "${id}" (waited for ${percent(busy * growth.workers)} of the time${why}); ${workers}`
    if (growth.busy < WORKERS_FULL && growth.fullest >= WORKERS_FULL) return `bottleneck: stage "${id}" (${percent(busy * growth.workers)} of the time of one worker, which is full); ${workers}`
  }
  const what = kind === 'stage' ? 'stage' : kind === 'source' ? 'decoding of source' : 'encoding for sink'
  return `bottleneck: ${what} "${id}" (${percent(busy)} of the workers' time); ${workers}`
}

function whyNone(growth: Growth): string {
  const { now, seconds } = growth
  if (now.state === 'paused') return ', the pipeline is paused'
  const waited = growth.most(({ sources }) => sources, each => each.waited_seconds)
  return seconds > 0 && isSilent(growth) && now.batches === 0 && (waited?.share ?? 0) >= BUSY_LEAST ? ', nothing comes in' : ''
}
