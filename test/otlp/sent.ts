/** What a collector wrote of the telemetry that it was sent, in the form that tests look at. */
import { readFile } from 'node:fs/promises'

type Attributes = Readonly<Record<string, unknown>>

export interface SentSpan {
  readonly name: string
  readonly trace: string
  readonly id: string
  readonly parent: string
  readonly links: readonly string[]
  readonly attributes: Attributes
  readonly resource: Attributes
}

export interface SentPoint {
  readonly name: string
  readonly unit: string
  readonly attributes: Attributes
  readonly value: number | undefined
  /** Of a histogram. */
  readonly count: number | undefined
}

export interface Sent {
  readonly spans: readonly SentSpan[]
  /** Of the last export of each metric. */
  readonly points: readonly SentPoint[]
}

interface Value {
  readonly stringValue?: string
  readonly intValue?: string
  readonly doubleValue?: number
}
type Pairs = readonly { readonly key: string; readonly value: Value }[]
interface Point {
  readonly attributes?: Pairs
  readonly asDouble?: number
  readonly count?: string
}
/** A line of the file: OTLP as JSON, as far as tests ask for it. */
interface Line {
  readonly resourceSpans?: readonly { readonly resource: { readonly attributes: Pairs }; readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[]
  readonly resourceMetrics?: readonly { readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[] }[]
}
interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly links?: readonly { readonly spanId: string }[]
  readonly attributes?: Pairs
}
interface Metric {
  readonly name: string
  readonly unit?: string
  readonly sum?: { readonly dataPoints: readonly Point[] }
  readonly gauge?: { readonly dataPoints: readonly Point[] }
  readonly histogram?: { readonly dataPoints: readonly Point[] }
}

const attributesOf = (pairs: Pairs = []): Attributes => Object.fromEntries(pairs.map(({ key, value: { stringValue, intValue, doubleValue } }) => [key, stringValue ?? doubleValue ?? Number(intValue)]))

/** All that stands in the file of a collector that has ended. */
export async function sentTo(file: string): Promise<Sent> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Line) // The collector's own form.
  const spans = lines.flatMap(({ resourceSpans = [] }) => resourceSpans).flatMap(({ resource, scopeSpans }) => scopeSpans.flatMap(scope => scope.spans.map(span => ({ span, resource }))))
  const metrics = new Map(lines.flatMap(({ resourceMetrics = [] }) => resourceMetrics).flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(scope => scope.metrics)).map(metric => [metric.name, metric]))
  return {
    spans: spans.map(({ span, resource }) => ({
      name: span.name, trace: span.traceId, id: span.spanId, parent: span.parentSpanId ?? '', links: (span.links ?? []).map(({ spanId }) => spanId),
      attributes: attributesOf(span.attributes), resource: attributesOf(resource.attributes),
    })),
    points: [...metrics.values()].flatMap(({ name, unit = '', sum, gauge, histogram }) => (sum ?? gauge ?? histogram)?.dataPoints.map(({ attributes, asDouble, count }) => ({
      name, unit, attributes: attributesOf(attributes), value: asDouble, count: count === undefined ? undefined : Number(count),
    })) ?? []),
  }
}
