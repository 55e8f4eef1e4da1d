import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runProgram } from '../program.ts'
import { stubIo } from '../testing.ts'
import { frame } from './try.ts'

async function tryOut(args: string[], stdin = ''): Promise<{ code: number; out: string; err: string }> {
  const io = stubIo({ stdin })
  const code = await runProgram(['try', ...args], io, '')
  return { code, out: io.stdout.text, err: io.stderr.text }
}

test('an expression is evaluated without an event', async () => {
  assert.deepEqual(await tryOut(['1 + 2 * 3']), { code: 0, out: '7\n', err: '' })
})

test('an expression is evaluated on every line', async () => {
  assert.deepEqual(await tryOut(['event.a > 1', '--event', '-'], '{"a":1}\n\n{"a":2}\n'), { code: 0, out: 'false\ntrue\n', err: '' })
})

test('key and headers are in scope', async () => {
  assert.equal((await tryOut(['key + headers.x', '-k', 'a', '-H', 'x=b=c'])).out, '"ab=c"\n')
})

test('an event that the expression fails on is named, and the others are still evaluated', async () => {
  const { code, out, err } = await tryOut(['event.a > 1', '-e', '-'], '{"a":1}\n{}\n{"a":3}\n')
  assert.equal(code, 1)
  assert.equal(out, 'false\ntrue\n')
  assert.match(err, /^event 2 {2}EXPR_MISSING_FIELD {2}/)
})

test('a slip in an expression is shown with its place', async () => {
  const { code, err } = await tryOut(['event.a >'])
  assert.equal(code, 2)
  assert.match(err, /^error EXPR_SYNTAX {2}.+\n {2}event\.a >\n {11}~/)
})

test('a file that is not there and lines that are not JSON are wrong use', async () => {
  const missing = await tryOut(['1', '--event', 'no/such/file.json'])
  assert.equal(missing.code, 2)
  assert.match(missing.err, /^error CLI_FILE_MISSING {2}no\/such\/file\.json can't be read: it is not there\.\n/)
  const broken = await tryOut(['1', '--event', '-'], '{"a":1}\n{"a":\n')
  assert.equal(broken.code, 2)
  assert.match(broken.err, /^error CLI_INPUT {2}Line 2 of - is not JSON\.\n/)
})

test('a header needs a name and a value', async () => {
  assert.match((await tryOut(['1', '-H', 'x'])).err, /The header "x" is not of the form name=value/)
})

test('the frame shows the line of the expression that holds the place', () => {
  assert.equal(frame('a &&\n  b.c', 7, 3), '    b.c\n    ~~~')
  assert.equal(frame('ab', 2, 1), '  ab\n    ~')
})
