/** `module`: functions and stages of users, and what they must not do. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { run } from './testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-module-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0
function write(source: string): string {
  const name = `m${count++}.ts`
  writeFileSync(join(folder, name), source)
  return name
}

test('a function makes one event, several or none', async () => {
  const file = write('export default ({ n }: { n: number }): unknown => (n === 0 ? undefined : n === 1 ? { one: n } : [n, { n }])')
  const { all } = await run('module', file, [{ n: 0 }, { n: 1 }, { n: 2 }], folder)
  assert.deepEqual(all, [{ answer: 'drop' }, { answer: 'emit', text: '{"one":1}' }, { answer: 'split', texts: ['2', '{"n":2}'] }])
})

test('what a function throws rejects the one event', async () => {
  const file = write('export default (value: { ok: boolean }): unknown => { if (!value.ok) throw new Error("not ok"); return value }')
  const answers = await run('module', file, [{ ok: false }, { ok: true }], folder)
  assert.deepEqual(answers.rejected, ['MODULE_FAILED: not ok'])
  assert.deepEqual(answers.values, [{ ok: true }])
})

test('what is no JSON is rejected, a promise among it, also one that fails', async () => {
  const file = write('export default ({ n }: { n: number }): unknown => [() => () => 1, () => 5n, () => Symbol("x"), () => Promise.resolve(1), () => Promise.reject(new Error("late")), () => [1, undefined]][n]?.()')
  const { rejected } = await run('module', file, [0, 1, 2, 3, 4, 5].map(n => ({ n })), folder)
  assert.deepEqual(rejected.map(text => text.slice('MODULE_FAILED: The function returned '.length, -', which is no JSON.'.length)), [
    'a function', 'a bigint', 'a symbol', 'a promise (a module stage is not asynchronous)', 'a promise (a module stage is not asynchronous)', 'a list with undefined in it',
  ])
})

test('a stage made by defineStage is run as it is, with its config', async () => {
  const file = write(`export default {
    kind: 'stage', type: 'mine', summary: 'Mine', config: { type: 'object', properties: { wait: { type: 'string', 'x-sluice': 'duration', default: '2s' } } },
    create: ({ wait }: { wait: number }) => ({ process: (events, out) => { for (const event of events) { event.replace(wait); out.emit(event) } } }),
  }`)
  assert.deepEqual((await run('module', { file }, [{}], folder)).values, [2000])
  assert.deepEqual((await run('module', { file, config: { wait: '3s' } }, [{}], folder)).values, [3000])
})

test('what is wrong with the config of such a stage is told at once', async () => {
  const file = write(`import { defineStage, field } from '${join(import.meta.dirname, '../engine/index.ts')}'
    export default defineStage({
      type: 'mine', summary: 'Mine', config: field.object({ key: field.expression(), wait: field.duration({ default: '2s' }), most: field.integer() }),
      create: () => ({ process: (events, out) => { for (const event of events) out.emit(event) } }),
    })`)
  await assert.rejects(run('module', { file, config: { wiat: '3s', wait: 3, key: true } }, [], folder), {
    code: 'CONFIG_VALUE', message: `The config of ${join(folder, file)}: it needs "most"; there is no "wiat" (did you mean "wait"?); "wait" must be duration.`,
  })
  assert.deepEqual((await run('module', { file, config: { key: 5, most: 1 } }, [{ a: 1 }], folder)).values, [{ a: 1 }])
})

test('a module that can not be used is told when the stage opens', async () => {
  const fails = (file: string, message: RegExp): Promise<void> => assert.rejects(run('module', file, [], folder), { code: 'MODULE_FAILED', message })
  await fails('none.ts', /none.ts can't be loaded/)
  await fails(write('export default'), /can't be loaded/)
  await fails(write('export const a = 1'), /must export a function or a stage by default/)
  await fails(write("export default { kind: 'stage', memory: 'keyed' }"), /a stage with memory/)
  await fails(write("export default { kind: 'stage', waits: true }"), /a stage that waits/)
})
