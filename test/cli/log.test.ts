/** The commands of the log, as a user calls them: on a folder, with wrong input, and killed in the middle. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

const COMMAND = join(import.meta.dirname, '../../bin/sluice.js')

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

class Shell {
  readonly folder: string

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-cli-log-'))
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  run(args: readonly string[], input = ''): Ended {
    const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { cwd: this.folder, input, encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, NO_COLOR: '1', SLUICE_LOG: undefined } })
    return { code: status, out: stdout, err: stderr }
  }

  /** The output of a command that must succeed. */
  ok(args: readonly string[], input?: string): string {
    const { code, out, err } = this.run(args, input)
    assert.equal(code, 0, `${args.join(' ')}\n${err}`)
    return out
  }

  start(args: readonly string[]) {
    return spawn(process.execPath, [COMMAND, ...args], { cwd: this.folder, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', SLUICE_LOG: undefined } })
  }
}

test('topics are made, shown, changed and deleted', t => {
  const shell = new Shell(t)
  assert.match(shell.ok(['topic', 'create', 'orders', '--partitions', '2', '--retention', '3d', '--durability', 'interval:20ms']), /^orders: 2 partitions; embedded log in .*\n$/)
  assert.match(shell.ok(['topic', 'list']), /^topic +partitions +records +size\norders +2 +0 +0 B\n$/)
  assert.match(shell.ok(['topic', 'describe', 'orders']), /retentionMs +3d[\s\S]*durability +interval:20ms/)
  const [described] = shell.ok(['topic', 'alter', 'orders', '--partitions', '3', '--retention', 'forever']).match(/retentionMs +forever/) ?? []
  assert.ok(described !== undefined)
  assert.equal((JSON.parse(shell.ok(['topic', 'describe', 'orders', '--format', 'json'])) as { partitions: unknown[] }).partitions.length, 3)
  assert.equal(shell.ok(['topic', 'delete', 'orders']), 'orders: deleted\n')
  assert.equal(shell.ok(['topic', 'list']), 'There are no topics.\n')
})

test('lines go in with keys and headers and come out again, whole or in part', t => {
  const shell = new Shell(t)
  const acks = shell.ok(['produce', 'greetings', '--create', '1', '--key-separator', ':', '-H', 'from=test', '--null', '-', '--compression', 'zstd', '--print-acks'], 'a:{"n":1}\r\nb:two\nc:-\nlast')
  assert.equal(acks, '0 0\n0 1\n0 2\n0 3\n')
  assert.equal(shell.ok(['consume', 'greetings', '--format', '%o %k %s [%h]\\n']), '0 a {"n":1} [from=test]\n1 b two [from=test]\n2 c  [from=test]\n3  last [from=test]\n')
  const rows = shell.ok(['consume', 'greetings', '--format', 'json']).trimEnd().split('\n').map(line => JSON.parse(line) as { key: unknown; value: unknown })
  assert.deepEqual(rows.map(({ key, value }) => [key, value]), [['a', { n: 1 }], ['b', 'two'], ['c', null], [null, 'last']])
  assert.equal(shell.ok(['consume', 'greetings', '--from', '1', '--until', '2', '--format', '%o\\n']), '1\n')
  assert.equal(shell.ok(['consume', 'greetings', '--count', '2', '--format', '%o\\n']), '0\n1\n')
  assert.equal(shell.ok(['consume', 'greetings', '--from', '-1h', '--format', '%o ']), '0 1 2 3 ')
  assert.equal(shell.ok(['consume', 'greetings', '--from', 'latest']), '')
  assert.equal(shell.ok(['consume', 'greetings', '--from', '2100-01-01']), '')
})

test('a group goes on where it was, and is put back only when that is asked for', t => {
  const shell = new Shell(t)
  shell.ok(['produce', 'lines', '--create', '1'], '0\n1\n2\n3\n4\n')
  assert.equal(shell.ok(['consume', 'lines', '--group', 'readers', '--count', '2']), '0\n1\n')
  assert.equal(shell.ok(['consume', 'lines', '--group', 'readers']), '2\n3\n4\n')
  assert.match(shell.ok(['group', 'list']), /^group +state +members +lag\nreaders +empty +0 +0\n$/)
  const dry = shell.run(['group', 'reset', 'readers', '--to', '1'])
  assert.deepEqual([dry.code, dry.err], [0, 'Nothing was changed: add --execute to do it.\n'])
  assert.match(dry.out, /lines +0 +5 +1\n$/)
  assert.equal(shell.ok(['consume', 'lines', '--group', 'readers']), '')
  shell.ok(['group', 'reset', 'readers', '--to', '1', '--topic', 'lines', '--partition', '0', '--execute'])
  assert.match(shell.ok(['group', 'describe', 'readers']), /lines +0 +1 +4 +-\n$/)
  assert.equal(shell.ok(['consume', 'lines', '--group', 'readers']), '1\n2\n3\n4\n')
})

const WRONG: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [['consume', 'lines', '--log', './nowhere'], /CLI_FILE_MISSING {2}There is no log in \.\/nowhere/],
  [['consume', 'lnes'], /LOG_UNKNOWN_TOPIC {2}There is no topic "lnes"\. Did you mean "lines"\?/],
  [['produce', 'lnes'], /LOG_UNKNOWN_TOPIC {2}There is no topic "lnes"/],
  [['consume', 'lines', '--from', 'tomorrow'], /--from takes earliest, latest, an offset/],
  [['consume', 'lines', '--from', '99'], /LOG_OFFSET_OUT_OF_RANGE/],
  [['consume', 'lines', '--follow', '--until', 'latest'], /either --follow or --until/],
  [['consume', 'lines', '--partition', '7'], /"lines" has no partition 7: it has 1/],
  [['consume', 'lines', '--format', 'jsn'], /--format takes value, json or a template/],
  [['produce', 'lines', '--partition', '7'], /"lines" has no partition 7/],
  [['produce', 'lines', '-H', 'nothing'], /--header takes name=value/],
  [['produce', 'lines', '--key', 'a', '--key-separator', ':'], /either --key or --key-separator/],
  [['topic', 'create', 'lines'], /LOG_TOPIC_EXISTS/],
  [['topic', 'create', 'a/b'], /LOG_TOPIC_NAME/],
  [['topic', 'create', 'x', '--partitions', '0'], /--partitions takes a whole number from 1 on/],
  [['topic', 'create', 'x', '--retention', 'long'], /--retention takes a value such as/],
  [['topic', 'alter', 'lines'], /Nothing to change was given/],
  [['group', 'describe', 'nobody'], /There is no group "nobody"/],
  [['group', 'reset', 'nobody', '--to', 'earliest'], /has no offsets/],
]
test('what is wrong is told in words, and nothing is touched', t => {
  const shell = new Shell(t)
  shell.ok(['produce', 'lines', '--create', '1'], '0\n')
  for (const [args, says] of WRONG) {
    const args2 = args.includes('--log') ? args : [...args, '--log', './sluice-data']
    const { code, out, err } = shell.run(args2)
    assert.ok(code === 1 || code === 2, args.join(' '))
    assert.equal(out, '')
    assert.match(err, says)
  }
  assert.equal(shell.ok(['consume', 'lines']), '0\n')
})

test('the files of a log are checked and shown, and what is damaged is told with its place', t => {
  const shell = new Shell(t)
  shell.ok(['produce', 'lines', '--create', '1', '--key', 'k'], 'one\ntwo\n')
  assert.match(shell.ok(['log', 'verify', 'sluice-data']), /^ok: \d+ files, .*, 1 batches, 2 records\n$/)
  assert.match(shell.ok(['log', 'dump', 'sluice-data', '--topic', 'lines', '--records']), /at 0 {2}\d+ bytes {2}offsets 0 to 1 {2}2 records .*\n {4}0 {2}k {2}one {2}\n {4}1 {2}k {2}two {2}\n$/)
  const segment = join(shell.folder, 'sluice-data/lines-0/00000000000000000000.log')
  const bytes = readFileSync(segment)
  bytes[70] = (bytes[70] ?? 0) ^ 1
  writeFileSync(segment, bytes)
  const { code, out } = shell.run(['log', 'verify', 'sluice-data'])
  assert.equal(code, 1)
  assert.match(out, /^damage .*lines-0\/0+\.log, byte 0 to \d+, from offset 0 on: the checksum is .*\n1 place is damaged: /)
  assert.match(shell.ok(['log', 'dump', segment, '--format', 'json']), /"damage":"the checksum is/)
  assert.match(shell.run(['log', 'verify', '.']).err, /There is no log in /)
  assert.match(shell.run(['log', 'dump', 'nowhere']).err, /CLI_FILE_MISSING/)
})

test('a log that another process has open is refused, and says who has it', async t => {
  const shell = new Shell(t)
  shell.ok(['produce', 'lines', '--create', '1'], '0\n')
  const follower = shell.start(['consume', 'lines', '--follow'])
  await new Promise(resolve => follower.stdout.once('data', resolve))
  const { code, err } = shell.run(['topic', 'list'])
  assert.equal(code, 1)
  assert.match(err, new RegExp(`LOG_LOCKED .*${follower.pid}`))
  follower.kill('SIGINT')
  assert.equal(await new Promise(resolve => follower.once('exit', resolve)), 0)
})

test('a reader that closes the pipe ends the command without a complaint', async t => {
  const shell = new Shell(t)
  shell.ok(['produce', 'lines', '--create', '1'], Array.from({ length: 50_000 }, (_, n) => `line ${n} of many\n`).join(''))
  const consumer = shell.start(['consume', 'lines', '--follow'])
  let err = ''
  consumer.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  await new Promise(resolve => consumer.stdout.once('data', resolve))
  consumer.stdout.destroy()
  assert.equal(await new Promise(resolve => consumer.once('exit', resolve)), 0)
  assert.equal(err, '')
})

test('every line that was acknowledged is there after kill -9', async t => {
  const shell = new Shell(t)
  shell.ok(['topic', 'create', 'lines', '--partitions', '3'])
  const acked = new Set<string>()
  let sent = 0
  for (let round = 0; round < 3; round++) {
    const producer = shell.start(['produce', 'lines', '--print-acks', '--linger', '0'])
    producer.stdin.on('error', () => undefined)
    let rest = ''
    const enough = new Promise<void>(resolve => {
      producer.stdout.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) acked.add(line)
        if (acked.size > (round + 1) * 300) resolve()
      })
    })
    const feed = (): void => {
      if (producer.exitCode !== null || producer.killed || !producer.stdin.writable) return
      for (let burst = 0; burst < 50; burst++) producer.stdin.write(`line ${sent++}\n`)
      setImmediate(feed)
    }
    feed()
    await enough
    producer.kill('SIGKILL')
    await new Promise(resolve => producer.once('close', resolve))
  }
  const found = shell.ok(['consume', 'lines', '--format', '%p %o %s\\n']).trimEnd().split('\n').map(line => /^(\d+ \d+) line (\d+)$/.exec(line))
  assert.ok(found.every(line => line !== null), 'no line is torn')
  const places = new Set(found.map(line => line?.[1]))
  assert.deepEqual([...acked].filter(place => !places.has(place)), [])
  assert.equal(new Set(found.map(line => line?.[2])).size, found.length, 'no line is doubled')
})
