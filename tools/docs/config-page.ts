/** The reference page of a pipeline's file, made from what the reader of such files knows. */
import { field } from '../../src/engine/index.ts'
import { SETTINGS, SINK_OPTIONS, STAGE_OPTIONS } from '../../src/pipeline/layout.ts'
import { fence, fieldTable } from './component-page.ts'

const WHOLE = `# yaml-language-server: $schema=node_modules/sluice/schema/pipeline.schema.json
pipeline: orders
sources:
  orders:
    file: { path: 'data/*.ndjson' }
stages:
  - validate: { required: [id, price] }
    on_error: drop
  - id: size
    route:
      large: event.price > 1000
      small: true
  - id: marked
    from: size.large
    set: { large: 'true' }
sinks:
  all:
    file: { path: out/all.ndjson }
    from: [marked, size.small]
dead_letters:
  file: { path: out/failed.ndjson }
workers: auto
memory: 64MiB`

export function configPage(): string {
  const parts = [
    '# A pipeline, field by field',
    fence('yaml', WHOLE),
    [
      '| section | what stands in it |',
      '| --- | --- |',
      '| `pipeline` | its name |',
      '| `sources` | by id: one source each, `type: config`. Several are merged |',
      '| `stages` | in order; each is `type: config`, with an `id` where it is named elsewhere |',
      '| `sinks` | by id: one sink each. Every sink gets every event of what it takes |',
      '| `dead_letters` | the sink for events that failed; by default a file beside the state or in the working folder |',
      '| `plugins` | modules that bring components and functions: paths that begin with `./`, or names of packages ([how to](../how-to/write-a-plugin.md)) |',
      '| `templates` | stages with parameters, used in several places |',
      '| `include` | other files whose sections are put in |',
      '| `tests` | config tests, run by `sluice test` |',
    ].join('\n'),
    'A stage takes what the one before it hands on (the first one all sources), a sink what the last stage hands on, unless `from` says otherwise. A stage with named outputs, such as `route`, is taken from by `id.output`.',
    '`${NAME}` in any text stands for an environment variable, `${NAME:default}` for one with a default, `${file:PATH}` for what a file holds. They are put in after the file was parsed, so a value can never change its structure.',
    'All problems of a file are reported at once, each with its line and what was probably meant: `sluice check FILE`.',
    '## Settings of the pipeline',
    fieldTable(SETTINGS),
    '## Options of every stage',
    '`concurrency`, `retry`, `breaker` and `rate_limit` are for stages that wait for the outside.',
    fieldTable(field.object(STAGE_OPTIONS)),
    '## Options of every sink',
    fieldTable(field.object(SINK_OPTIONS)),
    'Durations are written `500ms`, `10s`, `1h30m`; sizes `4096`, `64KiB`, `1GiB`.',
  ]
  return `${parts.join('\n\n')}\n`
}
