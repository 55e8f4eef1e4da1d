/** Wrong use of every kind: what is said, on which stream, and with which exit code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { folderWith, sluice } from './sluice.ts'

const GOOD = 'pipeline: good\nsources: { in: { generate: { count: 3 } } }\nsinks: { out: { discard: {} } }\n'
const BAD = `pipeline: bad
sources:
  in: { file: { pth: x.ndjson } }
stages:
  - fliter: event.a > 1
  - filter: event.a >
sinks:
  out: { stdot: {} }
`
const PROBLEMS = `bad.yaml:3:15  CONFIG_MISSING_FIELD
   3 |   in: { file: { pth: x.ndjson } }
     |               ~~~~~~~~~~~~~~~~~
  "file" needs "path": a path or a list with at least one item.
  path: File, or files; * ? [] {} make a pattern.

bad.yaml:3:17  CONFIG_UNKNOWN_FIELD
   3 |   in: { file: { pth: x.ndjson } }
     |                 ~~~
  "file" has no field "pth". Did you mean "path"?

bad.yaml:5:5  CONFIG_UNKNOWN_TYPE
   5 |   - fliter: event.a > 1
     |     ~~~~~~
  There is no stage of type "fliter". Did you mean "filter"?

bad.yaml:6:22  EXPR_SYNTAX
   6 |   - filter: event.a >
     |                      ~
  Expected an expression, found the end.

bad.yaml:8:10  CONFIG_UNKNOWN_TYPE
   8 |   out: { stdot: {} }
     |          ~~~~~
  There is no sink of type "stdot". Did you mean "stdout"?
`

test('check finds everything that is wrong at once', async t => {
  const { code, out, err } = await sluice(['check', 'bad.yaml'], { folder: folderWith(t, { 'bad.yaml': BAD }) })
  assert.deepEqual({ code, out, err }, { code: 2, out: `${PROBLEMS}\n`, err: '5 errors\n' })
})

test('run tells the same problems, on standard error, and runs nothing', async t => {
  const { code, out, err } = await sluice(['run', 'bad.yaml'], { folder: folderWith(t, { 'bad.yaml': BAD }) })
  assert.deepEqual({ code, out, err }, { code: 2, out: '', err: `error  The pipeline has 5 errors:\n\n${PROBLEMS}` })
})

test('check tells programs the same as JSON', async t => {
  const { code, out } = await sluice(['check', '--format', 'json', 'bad.yaml', 'good.yaml'], { folder: folderWith(t, { 'bad.yaml': BAD, 'good.yaml': GOOD }) })
  assert.equal(code, 2)
  const { ok, errors, diagnostics } = JSON.parse(out) as { ok: boolean; errors: number; diagnostics: { code: string; file: string; line: number; column: number }[] }
  assert.deepEqual({ ok, errors }, { ok: false, errors: 5 })
  assert.deepEqual(diagnostics.map(({ code: name, file, line, column }) => [name, file, line, column]), [
    ['CONFIG_MISSING_FIELD', 'bad.yaml', 3, 15], ['CONFIG_UNKNOWN_FIELD', 'bad.yaml', 3, 17], ['CONFIG_UNKNOWN_TYPE', 'bad.yaml', 5, 5], ['EXPR_SYNTAX', 'bad.yaml', 6, 22], ['CONFIG_UNKNOWN_TYPE', 'bad.yaml', 8, 10],
  ])
})

test('a good pipeline is called good', async t => {
  const { code, out, err } = await sluice(['check', 'good.yaml'], { folder: folderWith(t, { 'good.yaml': GOOD }) })
  assert.deepEqual({ code, out, err }, { code: 0, out: '', err: 'ok  good: 1 source, 0 stages, 1 sink\n' })
})

const HELP = 'See `sluice COMMAND --help`.'
const CASES: readonly { readonly args: readonly string[]; readonly says: string; readonly code?: number }[] = [
  { args: ['run'], says: `error CLI_USAGE  Missing required argument 'file'.\n  hint   See sluice run --help.\n  cure   ${HELP}\n` },
  { args: ['run', 'none.yaml'], says: "error CLI_FILE_MISSING  none.yaml can't be read: it is not there.\n  cure   Check the path; it is resolved against the current folder.\n" },
  { args: ['run', 'good.yaml', '--wrokers', '2'], says: `error CLI_UNKNOWN_OPTION  There is no option "--wrokers" of sluice run.\n  hint   Did you mean --workers?\n  cure   ${HELP}\n` },
  { args: ['run', 'good.yaml', '--workers', 'many'], says: `error CLI_USAGE  --workers takes a number from 0 to 256, or auto, not "many".\n  cure   ${HELP}\n` },
  { args: ['run', 'good.yaml', '--set', 'memory'], says: `error CLI_USAGE  --set takes key=value, not "memory".\n  hint   For example: --set memory=256MiB\n  cure   ${HELP}\n` },
  { args: ['run', 'good.yaml', '--set', 'memroy=1GiB'], says: 'error  The pipeline has an error:\n\n--set:1:1  CONFIG_UNKNOWN_FIELD\n   1 | memroy=1GiB\n     | ~~~~~~\n  A pipeline has no section "memroy". Did you mean "memory"?\n' },
  { args: ['run', 'good.yaml', '--report', 'xml'], says: `error CLI_USAGE  Option '--report <format>' argument 'xml' is invalid. Allowed choices are json.\n  hint   See sluice run --help.\n  cure   ${HELP}\n` },
  { args: ['run', 'good.yaml', '--input-dead-letters', 'none.ndjson'], says: "error CLI_FILE_MISSING  none.ndjson can't be read: it is not there.\n  cure   Check the path; it is resolved against the current folder.\n" },
  { args: ['list', 'stagse'], says: `error CLI_USAGE  There is no kind "stagse": it is sources, stages, sinks, formats or functions.\n  hint   Did you mean "stage"?\n  cure   ${HELP}\n` },
  { args: ['list', 'stage', 'fliter'], says: 'error CLI_UNKNOWN_COMPONENT  There is no stage "fliter".\n  hint   Did you mean "filter"?\n  cure   See `sluice list`.\n' },
  { args: ['create', 'file/fliter/file'], says: 'error CLI_UNKNOWN_COMPONENT  There is no stage "fliter".\n  hint   Did you mean "filter"?\n  cure   See `sluice list`.\n' },
  { args: ['create', 'file//file', '-o', 'good.yaml'], says: 'error CLI_FILE_EXISTS  good.yaml is there already.\n  cure   Choose another name or folder, or give --force where the command has it.\n' },
  { args: ['completion', 'tcsh'], says: `error CLI_USAGE  Command-argument value 'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.\n  hint   See sluice completion --help.\n  cure   ${HELP}\n` },
  { args: ['try', 'event.a.b('], says: "error EXPR_SYNTAX  Expected an expression, found the end.\n  event.a.b(\n            ~\n  cure   See the place; `sluice try` evaluates an expression by itself.\n" },
]
for (const { args, says, code = 2 } of CASES) {
  test(`sluice ${args.join(' ')}`, async t => {
    const called = await sluice(args, { folder: folderWith(t, { 'good.yaml': GOOD }) })
    assert.deepEqual(called, { code, out: '', err: says })
  })
}

test('an input that is not there fails the run, which is no wrong use', async t => {
  const folder = folderWith(t, { 'p.yaml': GOOD.replace('generate: { count: 3 }', 'file: { path: none.ndjson }') })
  const { code, out, err } = await sluice(['run', 'p.yaml'], { folder })
  assert.equal(code, 1)
  assert.equal(out, '')
  assert.match(err, /^error FILE_MISSING {2}There is no file .+none\.ndjson\.\n {2}cure {3}Check the path;/)
})

test('no mistake of a user shows a stack', async t => {
  const folder = folderWith(t, { 'empty.yaml': '', 'list.yaml': '- 1\n', 'broken.yaml': 'a: [\n', 'binary.yaml': '\u0000\u0001', 'p.json': '{', 'm.ts': 'export default 1\n', 'throws.ts': 'throw new Error("mine")\n' })
  for (const file of ['empty.yaml', 'list.yaml', 'broken.yaml', 'binary.yaml', 'p.json', 'm.ts', 'throws.ts', '.']) {
    const { code, out, err } = await sluice(['run', file], { folder })
    assert.ok(code === 1 || code === 2, `${file}: ${code}`)
    assert.equal(out, '')
    assert.doesNotMatch(err, /INTERNAL|\bat .+:\d+:\d+\)?$/m, file)
  }
})
