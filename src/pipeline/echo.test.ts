import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as yaml from 'yaml'
import { echoPipeline } from './echo.ts'
import { load } from './testing.ts'

const YAML = `include: base.yaml
sources:
  in: { http_client: { url: "http://\${HOST:localhost}/", token: "\${TOKEN}" } }
stages:
  - use: late
    with: { limit: 90 }
  - map: { text: '"a: b"', n: 1 }
sinks:
  out: { file: { path: "out/\${TOKEN}.ndjson" } }
dead_letters: { file: { path: failed.ndjson } }
`
const BASE = `memory: 1MiB
templates:
  late:
    parameters: { limit: { type: integer } }
    stages: [filter: "event.delay > \${param:limit}"]
`

test('echo shows what was understood, where each value comes from, and no secret', async () => {
  const result = await load(YAML, { files: { 'base.yaml': BASE }, env: { TOKEN: 'hunter2' } })
  assert.equal(echoPipeline(result), `pipeline: late                     # name of the file
workers: auto                      # default
memory: 1MiB                       # base.yaml:1
checkpoint_interval: 1s            # default
ordered: true                      # default
batch:
  bytes: 768KiB                    # default
  events: 100000                   # default
  age: 10ms                        # default
stall_timeout: 1m                  # default
stop_timeout: 30s                  # default
sources:
  in:
    http_client:
      url: "http://localhost/"     # default of HOST, late.yaml:3
      token: "\${TOKEN}"            # environment TOKEN, late.yaml:3
      every: 1m                    # default
stages:
  - id: late/filter
    from: [in]                     # order of the stages
    filter:
      condition: event.delay > 90  # parameter limit, base.yaml:5
  - id: map
    from: [late/filter]            # order of the stages
    map:
      fields:
        text: "\\"a: b\\""           # late.yaml:7
        n: 1                       # late.yaml:7
      merge: false                 # default
sinks:
  out:
    from: [map]                    # order of the stages
    file:
      path: "out/\${TOKEN}.ndjson"  # environment TOKEN, late.yaml:9
      mode: overwrite              # default
dead_letters:
  file:
    path: failed.ndjson            # late.yaml:10
    mode: overwrite                # default
`)
})

test('a secret that stands in the file is not shown either', async () => {
  const text = echoPipeline(await load('sources: { in: { http_client: { url: "http://a", token: hunter2 } } }\nsinks: { out: discard }\n'))
  assert.ok(!text.includes('hunter2'))
  assert.match(text, /token: "\(secret\)"/)
})

test('what echo shows is YAML that means the same', async () => {
  const first = await load(YAML, { files: { 'base.yaml': BASE }, env: { TOKEN: 'hunter2' } })
  const shown = yaml.parse(echoPipeline(first)) as Readonly<Record<string, unknown>> // A pipeline is a map.
  // Ids with a slash are those of a template's use, which a file can't give.
  const text = yaml.stringify(shown).replaceAll('late/filter', 'late_filter')
  const again = await load(text, { env: { TOKEN: 'hunter2' } })
  assert.deepEqual(again.diagnostics, [])
  assert.deepEqual(JSON.parse(JSON.stringify(again.config).replaceAll('late_filter', 'late/filter')), JSON.parse(JSON.stringify(first.config)))
})
