/** A plug-in that is edited while its pipeline runs. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runFile } from '../../src/runtime.ts'
import type { RunningFile } from '../../src/runtime.ts'
import { folderWith } from '../cli/sluice.ts'

const stage = (mark: string): string => `import { defineStage, field } from 'sluice'
export default defineStage({
  type: 'acme_mark', summary: 'Marks', config: field.object({}),
  create: () => ({
    process(events, out) {
      for (const event of events) {
        event.replace({ ...(event.value as object), mark: '${mark}' })
        out.emit(event)
      }
    },
  }),
})
`

const PIPELINE = `pipeline: marks
plugins: [./mark.ts]
workers: 1
sources: { in: { file: { path: in.ndjson, follow: true } } }
stages: [acme_mark]
sinks: { out: { file: { path: out.ndjson } } }
`

test('an edited plug-in is taken up at a reload, also by the workers; a broken one leaves the old one running', async t => {
  const folder = folderWith(t, { 'mark.ts': stage('old'), 'p.yaml': PIPELINE, 'in.ndjson': '{"n":1}\n' })
  const stop = new AbortController()
  const restarted: (readonly string[])[] = []
  let running: RunningFile | undefined
  let seen = 0
  const next = async (): Promise<void> => {
    assert.ok(running)
    if (seen === 1) {
      assert.ok(running.files.includes(join(folder, 'mark.ts')), 'a change of the plug-in is seen')
      writeFileSync(join(folder, 'mark.ts'), 'export default 5')
      await assert.rejects(running.reload(), { code: 'PLUGIN_EXPORTS' })
      appendFileSync(join(folder, 'in.ndjson'), '{"n":2}\n')
    } else if (seen === 2) {
      writeFileSync(join(folder, 'mark.ts'), stage('new'))
      const { outcome, difference } = await running.reload()
      assert.equal(outcome, 'switched')
      restarted.push(difference.restarted)
      appendFileSync(join(folder, 'in.ndjson'), '{"n":3}\n')
    } else stop.abort()
  }
  let failure: unknown
  const report = await runFile('p.yaml', {
    folder, signal: stop.signal, progressInterval: 5,
    onRunning: made => (running = made),
    onProgress: ({ events_in, events_out }) => {
      if (events_in === seen || events_out < events_in) return
      seen = events_in
      next().catch((error: unknown) => {
        failure = error
        stop.abort()
      })
    },
  })
  assert.equal(failure, undefined)
  assert.deepEqual(readFileSync(join(folder, 'out.ndjson'), 'utf8').trim().split('\n').map(line => JSON.parse(line) as unknown), [{ n: 1, mark: 'old' }, { n: 2, mark: 'old' }, { n: 3, mark: 'new' }])
  assert.ok(restarted[0]?.includes('acme_mark'), String(restarted))
  assert.equal(report.in_flight, 0)
})
