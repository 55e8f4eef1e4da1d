/** The options of stages and sinks beside their type: what happens on errors, and the policies for calls to the outside. */
import type { BreakerConfig, RateLimitConfig, RetryConfig } from '../base/index.ts'
import { prepareConfig, stageWaits } from '../engine/index.ts'
import type { Field, SinkConfig, StageConfig, ValueOf } from '../engine/index.ts'
import { checkValue } from './check-value.ts'
import { BREAKER, RATE_LIMIT, RETRY, STAGE_OPTIONS, WAITING_OPTIONS } from './layout.ts'
import type { DraftNode } from './nodes.ts'
import { isEmpty } from './tree.ts'
import type { Tree } from './tree.ts'
import type { ValueContext } from './value-context.ts'

/** Attempts of a waiting stage that says nothing of them: enough for a call that failed by chance, few enough not to hold the pipeline up. */
const STAGE_ATTEMPTS = 3

export function stageOf(node: DraftNode, config: unknown, from: readonly string[], context: ValueContext): StageConfig {
  const waits = node.declaration?.kind === 'stage' && stageWaits(node.declaration, config)
  // Where that depends on a config that is wrong, nobody knows.
  const depends = node.declaration?.kind === 'stage' && typeof node.declaration.waits === 'function'
  if (node.declaration !== undefined && !waits && !(depends && config === undefined)) refuseWaitingOptions(node, depends ? 'which does not wait for the outside with this config' : 'which never waits for the outside', context)
  const onError = option(node, 'on_error', STAGE_OPTIONS.on_error, context) ?? 'dead_letter'
  const concurrency = option(node, 'concurrency', STAGE_OPTIONS.concurrency, context) ?? 1
  const retry = readRetry(node, context) ?? (waits ? { ...defaultRetry(), attempts: STAGE_ATTEMPTS } : undefined)
  return { id: node.id, type: node.type, config: config ?? {}, from, onError, concurrency, retry, breaker: readBreaker(node, context), rateLimit: readRateLimit(node, context) }
}

export function sinkOf(node: DraftNode, config: unknown, from: readonly string[], context: ValueContext): SinkConfig {
  const retry = readRetry(node, context) ?? defaultRetry()
  return { id: node.id, type: node.type, config: config ?? {}, from, retry, breaker: readBreaker(node, context), rateLimit: readRateLimit(node, context) }
}

/** What `retry: {}` means. */
export function defaultRetry(): RetryConfig {
  return retryOf(prepareConfig(RETRY, {}, { folder: '', now: () => 0, random: () => 0 }))
}

function refuseWaitingOptions(node: DraftNode, why: string, { reading }: ValueContext): void {
  for (const { key, keyPlace } of node.options) {
    if (!WAITING_OPTIONS.includes(key)) continue
    reading.diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `"${key}" means nothing for "${node.type}", ${why}.`, { hint: 'Take it away.' })
  }
}

function option<T>(node: DraftNode, key: string, of: Field<T>, context: ValueContext): T | undefined {
  const tree: Tree | undefined = node.options.find(entry => entry.key === key)?.value
  if (tree === undefined || isEmpty(tree)) return undefined
  const { diagnostics, folder } = context.reading
  const before = diagnostics.errors
  const value = checkValue(of, tree, key, context.checks())
  if (diagnostics.errors > before) return undefined
  const prepared: unknown = prepareConfig(of, value, { folder, now: () => 0, random: () => 0 })
  return prepared as T // Just checked against the field.
}

function readRetry(node: DraftNode, context: ValueContext): RetryConfig | undefined {
  const given = option(node, 'retry', RETRY, context)
  return given === undefined ? undefined : retryOf(given)
}

function retryOf({ backoff_max, ...rest }: ValueOf<typeof RETRY>): RetryConfig {
  return { ...rest, backoffMax: backoff_max }
}

function readBreaker(node: DraftNode, context: ValueContext): BreakerConfig | undefined {
  return option(node, 'breaker', BREAKER, context)
}

function readRateLimit(node: DraftNode, context: ValueContext): RateLimitConfig | undefined {
  const given = option(node, 'rate_limit', RATE_LIMIT, context)
  if (given === undefined) return undefined
  const { diagnostics } = context.reading
  const entry = node.options.find(one => one.key === 'rate_limit')
  if (entry !== undefined && given.events === undefined && given.bytes === undefined) {
    diagnostics.error('CONFIG_MISSING_FIELD', entry.keyPlace, '"rate_limit" needs "events" or "bytes".', { hint: 'For example: rate_limit: { events: 100, per: 1s }' })
  }
  return { events: given.events, bytes: given.bytes, per: given.per }
}
