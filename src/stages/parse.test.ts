/** `parse` in each of its forms, with the lines that the formats' own documents show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonValue } from '../event/index.ts'
import { StageTest, run } from './testing.ts'

const parsed = async (config: object, line: string): Promise<JsonValue> => {
  const { values, rejected } = await run('parse', config, [{ line }])
  return values[0] ?? rejected[0] ?? null
}

test('common and combined log lines become fields, with the time in UTC', async () => {
  const common = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
  const fields = { host: '127.0.0.1', user: 'frank', time: '2000-10-10T20:55:36.000Z', method: 'GET', path: '/apache_pb.gif', protocol: 'HTTP/1.0', status: 200, bytes: 2326 }
  assert.deepEqual(await parsed({ format: 'common_log' }, common), fields)
  const combined = `${common} "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"`
  assert.deepEqual(await parsed({ format: 'combined_log' }, combined), { ...fields, referer: 'http://www.example.com/start.html', agent: 'Mozilla/4.08 [en] (Win98; I ;Nav)' })
  assert.match(String(await parsed({ format: 'combined_log' }, common)), /^PARSE_FAILED: The text is no line of a combined log/)
  assert.match(String(await parsed({ format: 'common_log' }, common.replace('Oct', 'Okt'))), /^PARSE_FAILED: The text is no time of a log line/)
})

test('syslog of RFC 5424, with structured data and without', async () => {
  assert.deepEqual(await parsed({ format: 'syslog' }, '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App\\"lication"][x@1] \ufeffAn application event'), {
    facility: 20, severity: 'notice', time: '2003-10-11T22:14:15.003Z', host: 'mymachine.example.com', app: 'evntslog', process: null, id: 'ID47',
    data: { 'exampleSDID@32473': { iut: '3', eventSource: 'App"lication' }, 'x@1': {} }, message: 'An application event',
  })
  assert.deepEqual(await parsed({ format: 'syslog' }, '<34>1 - - - - - -'), { facility: 4, severity: 'critical', time: null, host: null, app: null, process: null, id: null, data: {}, message: '' })
  assert.match(String(await parsed({ format: 'syslog' }, '<192>1 - - - - - -')), /^PARSE_FAILED: .*priority is over 191/)
})

test('syslog of RFC 3164', async () => {
  assert.deepEqual(await parsed({ format: 'syslog' }, "<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed"), { facility: 4, severity: 'critical', time: 'Oct 11 22:14:15', host: 'mymachine', app: 'su', process: '230', message: "'su root' failed" })
})

test('logfmt: words, quoted texts with escapes, keys without a value', async () => {
  assert.deepEqual(await parsed({ format: 'logfmt' }, 'level=info msg="a \\"b\\" c" empty= flag t=3 __proto__=x'), JSON.parse('{"level":"info","msg":"a \\"b\\" c","empty":"","flag":true,"t":"3","__proto__":"x"}'))
})

test('csv takes one record, all of it', async () => {
  const config = { format: 'csv', columns: ['a', 'b'], delimiter: ';' }
  assert.deepEqual(await parsed(config, '1;"x;""y"'), { a: '1', b: 'x;"y' })
  assert.match(String(await parsed(config, '1;2;3')), /^PARSE_FAILED: The text is no record of 2 columns \(it has 3\)/)
  assert.match(String(await parsed(config, '1;2\n3;4')), /^PARSE_FAILED: The text is no single record/)
  assert.throws(() => new StageTest('parse', { format: 'csv' }), { code: 'CONFIG_VALUE' })
  assert.throws(() => new StageTest('parse', { ...config, delimiter: ';;' }), { code: 'CONFIG_VALUE' })
})

test('regex takes its named groups, in linear time', async () => {
  assert.deepEqual(await parsed({ format: 'regex', pattern: '^(?P<key>\\w+)=(?P<value>\\d+)?$' }, 'a='), { key: 'a', value: null })
  assert.match(String(await parsed({ format: 'regex', pattern: '^(?P<x>(a+)+)$' }, `${'a'.repeat(40)}!`)), /^PARSE_FAILED/)
  assert.throws(() => new StageTest('parse', { format: 'regex', pattern: '(a)' }), { code: 'CONFIG_VALUE' })
})

test('JSON inside a text keeps its bytes where it replaces the event or stands at a path', async () => {
  const line = '{"big":12345678901234567890,\n"x":1.0}'
  assert.deepEqual((await run('parse', { format: 'json' }, [{ line }])).texts, ['{"big":12345678901234567890, "x":1.0}'])
  assert.deepEqual((await run('parse', { format: 'json', as: 'inner' }, [{ line, n: 1 }])).texts, [`{"line":${JSON.stringify(line)},"n":1,"inner":{"big":12345678901234567890, "x":1.0}}`])
  assert.match(String(await parsed({ format: 'json' }, '{')), /^PARSE_FAILED/)
})

test('the result is set beside the other fields with merge, which needs an object', async () => {
  assert.deepEqual((await run('parse', { format: 'logfmt', field: 'm', merge: true }, [{ m: 'a=1 m=2', n: 1 }])).values, [{ m: '2', n: 1, a: '1' }])
  assert.match((await run('parse', { format: 'json', field: 'm', merge: true }, [{ m: '[1]' }])).rejected[0] ?? '', /^PARSE_FAILED/)
})

test('a field that is no text is rejected', async () => {
  assert.deepEqual((await run('parse', { format: 'json', field: 'a.b' }, [{ a: { b: 1 } }, {}])).rejected, ['FIELD_TYPE: parse: a.b is a number, not a text.', 'FIELD_TYPE: parse: a.b is missing, not a text.'])
})
