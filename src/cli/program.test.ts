import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runProgram } from './program.ts'
import { stubIo } from './testing.ts'

async function sluice(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = stubIo()
  const code = await runProgram(args, io, '1.2.3')
  return { code, out: io.stdout.text, err: io.stderr.text }
}

test('the overview names every command, on standard output', async () => {
  const { code, out, err } = await sluice('--help')
  assert.equal(code, 0)
  assert.equal(err, '')
  for (const name of ['run', 'check', 'test', 'echo', 'list', 'create', 'init', 'try', 'explain', 'completion']) assert.match(out, new RegExp(`^ {2}${name} `, 'm'))
})

test('the help of a command is had in both ways', async () => {
  const [first, second] = [await sluice('explain', '--help'), await sluice('help', 'explain')]
  assert.equal(first.code, 0)
  assert.match(first.out, /^Usage: sluice explain \[options\] \[code\]\n\nTell what an error code means/)
  assert.deepEqual(second, first)
})

test('a slip in a command is answered with the command that was meant', async () => {
  assert.deepEqual(await sluice('rnu', 'x.yaml'), {
    code: 2,
    out: '',
    err: 'error CLI_UNKNOWN_COMMAND  There is no command "rnu".\n  hint   Did you mean "run"?\n  cure   See `sluice --help`.\n',
  })
})

test('a file in place of a command is answered with the command that runs it', async () => {
  assert.match((await sluice('flights.yaml')).err, /Did you mean "sluice run flights\.yaml"\?/)
})

test('a word that is near to no command points to the help', async () => {
  assert.match((await sluice('frobnicate')).err, /There is no command "frobnicate"\.\n {2}hint {3}See sluice --help\./)
})

test('a slip in an option is answered with the option that was meant', async () => {
  assert.deepEqual(await sluice('try', '1', '--evnet', 'x.json'), {
    code: 2,
    out: '',
    err: 'error CLI_UNKNOWN_OPTION  There is no option "--evnet" of sluice try.\n  hint   Did you mean --event?\n  cure   See `sluice COMMAND --help`.\n',
  })
})

test('a missing argument is named', async () => {
  const { code, err } = await sluice('try')
  assert.equal(code, 2)
  assert.match(err, /^error CLI_USAGE {2}Missing required argument 'expression'\.\n {2}hint {3}See sluice try --help\.\n/)
})

test('an argument too many is not passed over', async () => {
  const { code, err } = await sluice('explain', 'INTERNAL', 'ABORTED')
  assert.equal(code, 2)
  assert.match(err, /^error CLI_USAGE {2}Too many arguments for 'explain'\. Expected 1 argument but got 2/)
})

test('no command at all is wrong use', async () => {
  const { code, err } = await sluice()
  assert.equal(code, 2)
  assert.match(err, /No command was given/)
})
