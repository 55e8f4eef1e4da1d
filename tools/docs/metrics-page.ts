/** The reference of metrics, from the list that both /metrics and OTLP are made of. */
import { figuresFor } from '../../src/observe/figures.testing.ts'
import { metricFamilies } from '../../src/observe/metrics.ts'
import { nameOf } from '../../src/observe/otlp/metric-data.ts'

/** Figures in which each metric has a series: its labels are seen by that. */
const SAMPLE = figuresFor({
  source: { lag: 1, trouble: { seconds: 1, attempts: 1, code: 'HTTP_STATUS', message: '' } }, stage: { waits: true, breaker: 'closed' }, sink: { breaker: 'closed' }, workers: [{ heap_bytes: 1 }], errors: [{ id: 'a', code: 'HTTP_STATUS', events: 1 }],
})

export function metricsPage(): string {
  const rows = metricFamilies(SAMPLE).map(({ name, help, type, labels }) => {
    const otlp = nameOf(name, type)
    return `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | \`${otlp.name}\`${otlp.unit === '' ? '' : `, ${otlp.unit}`} | ${help} |`
  })
  return `# Metrics

What \`/metrics\` of [the admin server](../how-to/watch-a-pipeline.md) tells, and what is [sent by OTLP](../how-to/telemetry.md) under its own names. Each has the label \`pipeline\` too. Counters and
times grow from the start of the run on, over all reloads.

| metric | type | labels | by OTLP: name, unit | what it is |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

A metric has 500 series at most, a histogram those of 100 components; the rest are one, named \`_other\`. Buckets of histograms are fixed: from 10 us to a minute for stages, from 250 us to a minute for
writes and batches, from a millisecond to a week for what is end to end.

Beside these there are the figures of the process, under the names that the client library gives them: \`process_...\` (CPU, memory, open files) and \`nodejs_...\` (delay of the event loop, heap,
garbage collection), of the main thread; worker threads have \`sluice_worker_...\`.
`
}
