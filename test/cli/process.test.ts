/** `sluice process` as a person calls it: flags, environment and config put together, wrong combinations, and real runs from Kafka, files and an API into a real bucket. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import { stubIo } from '../../src/cli/testing.ts'
import { startBroker } from '../kafka/broker.ts'
import { checkManifest, killAtRandom, numbersBelow } from '../s3/killing.ts'
import { startS3 } from '../s3/server.ts'
import { Receiver, SECRET, checkTold, toldIn } from '../s3/told.ts'
import { folderWith, sluice } from './sluice.ts'

const ROWS = '{"id":1,"price":5}\n{"id":2,"price":50}\n'
const MORE = '{"id":3,"price":70}\n'
const FILES = { 'data1.json': ROWS, 'data2.json': MORE }

/** The pipeline that the flags mean. */
async function printed(args: readonly string[], folder: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const io = stubIo({ folder, env: { ...env } })
  assert.equal(await runProgram(['process', ...args, '--print-pipeline'], io, '0.0.0'), 0, io.stderr.text)
  return io.stdout.text
}

/** What is said of a combination that is refused; nothing was made. */
async function refused(t: TestContext, args: readonly string[], files: Readonly<Record<string, string>> = FILES, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = folderWith(t, files)
  const io = stubIo({ folder, env: { ...env } })
  assert.equal(await runProgram(['process', ...args], io, '0.0.0'), 2, io.stderr.text)
  assert.equal(io.stdout.text, '')
  assert.deepEqual(readdirSync(folder).toSorted(), Object.keys(files).toSorted())
  return io.stderr.text
}

test('files go to the standard output, filtered and reshaped', async t => {
  const folder = folderWith(t, FILES)
  const { code, out, err } = await sluice(['process', '--source', 'file', 'data1.json', 'data2.json', '--batch-size', '50'], { folder })
  assert.deepEqual({ code, out }, { code: 0, out: ROWS + MORE }, err)
  const { out: reshaped } = await sluice(['process', '--source', 'file', 'data1.json', 'data2.json', '--filter', 'event.price > 10', '--map', 'who=event.id', '--map', 'twice=event.price * 2.0'], { folder })
  assert.equal(reshaped, '{"who":2,"twice":100}\n{"who":3,"twice":140}\n')
})

test('rows that a schema refuses go to the dead letters', async t => {
  const folder = folderWith(t, { ...FILES, 'schema.json': '{"properties":{"price":{"minimum":10}}}' })
  const { code, out, err } = await sluice(['process', '--source', 'file', 'data1.json', '--validate', 'schema.json', '--output', 'out.csv', '--columns', 'id'], { folder })
  assert.deepEqual({ code, out }, { code: 0, out: '' }, err)
  assert.equal(readFileSync(join(folder, 'out.csv'), 'utf8'), 'id\n2\n')
  assert.match(err, /dead letters {2}1 /)
})

test('a flag goes before the environment, the environment before the config', async t => {
  const folder = folderWith(t, { 'p.yaml': 'source: kafka\ntopic: [a, b]\nworkers: 1\ngroup: from-config\nbatch_bytes: 1MiB\ns3_bucket: lake\nmap:\n  who: event.id\n' })
  const env = { SLUICE_PROCESS_WORKERS: '2', SLUICE_PROCESS_GROUP: 'from-environment', SLUICE_PROCESS_CONFIG: 'p.yaml' }
  const text = await printed(['--workers', '3'], folder, env)
  assert.match(text, /workers: 3/)
  assert.match(text, /group: from-environment/)
  assert.match(text, /size: 1MiB/)
  assert.match(text, /who: event\.id/)
  assert.match(text, /key: topics\/\{position\.topic\}\/\{position\.partition\}/)
})

test('the help names the flag, the key, the variable and the default of each setting', async () => {
  const { code, out } = await sluice(['process', '--help'])
  assert.equal(code, 0)
  assert.match(out.replaceAll(/\s+/g, ' '), /--batch-bytes <size> most bytes of an object, before compression \(batch_bytes, SLUICE_PROCESS_BATCH_BYTES; default: 256MiB\)/)
})

test('the pipeline that is printed gives the same as the flags', async t => {
  const folder = folderWith(t, FILES)
  const args = ['--source', 'file', 'data1.json', 'data2.json', '--filter', 'event.price > 10', '--map', 'text="{" + string(event.id) + ": $" + string(event.price) + "}"', '--output', 'out {1}.ndjson.gz', '--format', 'ndjson']
  assert.equal((await sluice(['process', ...args], { folder })).code, 0)
  const made = readFileSync(join(folder, 'out {1}.ndjson.gz'))
  writeFileSync(join(folder, 'printed.yaml'), await printed(args, folder))
  const { code, err } = await sluice(['run', 'printed.yaml'], { folder })
  assert.equal(code, 0, err)
  assert.ok(made.length > 20 && made.equals(readFileSync(join(folder, 'out {1}.ndjson.gz'))))
})

test('what does not go together is told at once, with what to do, and nothing is touched', async t => {
  assert.match(await refused(t, []), /Nothing says where rows come from\. Give --source kafka with --topic/)
  assert.match(await refused(t, ['--source', 'kafka']), /needs a topic to read\. Give --topic NAME \(or SLUICE_PROCESS_TOPIC\)/)
  assert.match(await refused(t, ['--source', 'file']), /needs files to read/)
  assert.match(await refused(t, ['--source', 'api']), /needs an address/)
  assert.match(await refused(t, ['--source', 'ftp']), /--source takes kafka, file or api, not "ftp"/)
  const many = await refused(t, ['--source', 'file', 'data1.json', '--topic', 'x', '--s3-prefix', 'p', '--format', 'csv', '--timeout', '5s'])
  for (const part of [/--topic is for --source kafka, and this run reads from file/, /--s3-prefix is for objects in a bucket/, /A csv needs the names of its columns/, /--timeout is for answers of an API and of S3/]) assert.match(many, part)
  assert.match(await refused(t, ['--source', 'file', 'data1.json', '--output', 'x', '--s3-bucket', 'b']), /into a file or into a bucket, not both/)
  assert.match(await refused(t, ['--source', 'kafka', '--topic', 'x', '--group', 'g', '--state', 's']), /--group shares the partitions with other processes/)
  assert.match(await refused(t, ['--source', 'kafka', '--topic', 'x', '--sasl-mechanism', 'PLAIN', '--sasl-username', 'u']), /needs a password\. Set SLUICE_PROCESS_SASL_PASSWORD/)
  assert.match(await refused(t, ['--source', 'kafka', '--topic', 'x', '--sasl-password', 'secret']), /A password is not given by a flag/)
  assert.match(await refused(t, ['--source', 'kafka', '--topic', 'x', '--tls-cert', 'data1.json']), /--tls-cert and --tls-key go together/)
  assert.match(await refused(t, ['--source', 'file', 'data1.json', '--format', 'parquet']), /Parquet is written into buckets only/)
  assert.match(await refused(t, ['--source', 'file', 'data1.json', '--s3-bucket', 'b', '--format', 'parquet', '--columns', 'id:int']), /Each column of parquet has a type/)
  assert.match(await refused(t, ['--source', 'file', 'data1.json', 'data2.csv.gz']), /The files are of different kinds: json, csv/)
  const told = ['--source', 'file', 'data1.json', '--s3-bucket', 'b']
  assert.match(await refused(t, [...told, '--notify-topic', 'x']), /--notify-topic needs to know where the topic is\. Give --brokers/)
  assert.match(await refused(t, [...told, '--notify-topic', 'x', '--brokers', 'b:1', '--notify-url', 'https://x'], FILES, { SLUICE_PROCESS_NOTIFY_SECRET: SECRET }), /to a topic or to a webhook, not both/)
  assert.match(await refused(t, [...told, '--notify-url', 'https://x']), /--notify-url needs a secret.*Set SLUICE_PROCESS_NOTIFY_SECRET/)
  assert.match(await refused(t, [...told, '--notify-url', 'x'], FILES, { SLUICE_PROCESS_NOTIFY_SECRET: SECRET }), /--notify-url takes an address that begins with https:/)
  assert.match(await refused(t, [...told, '--notify-secret', 'x']), /A secret is not given by a flag/)
  assert.match(await refused(t, ['--source', 'file', 'data1.json', '--notify-topic', 'x']), /--notify-topic is for objects in a bucket/)
  assert.match(await refused(t, ['--source', 'file', 'data1.json', '--dry-run', '--print-pipeline']), /either --dry-run or --print-pipeline/)
})

test('values that no setting takes, and files that are not there, are told by the name of their setting', async t => {
  const base = ['--source', 'file', 'data1.json']
  assert.match(await refused(t, [...base, '--batch-size', '0']), /--batch-size takes a whole number from 1 to 10000000, not "0"/)
  assert.match(await refused(t, base, FILES, { SLUICE_PROCESS_TIMEOUT: 'soon' }), /SLUICE_PROCESS_TIMEOUT takes a duration such as 500ms, 60s or 1h30m, not "soon"/)
  assert.match(await refused(t, ['--config', 'c.yaml', ...base], { ...FILES, 'c.yaml': 'format: csv\nbatch_age: 5\n' }), /batch_age \(c\.yaml:2\) takes a duration/)
  assert.match(await refused(t, ['--config', 'c.yaml', ...base], { ...FILES, 'c.yaml': 'topics: x\n' }), /c\.yaml:1 has a key "topics", which sluice process does not know\.\n.*Did you mean "topic"\?/)
  assert.match(await refused(t, ['--config', 'c.yaml', ...base], { ...FILES, 'c.yaml': 'a: [\n' }), /c\.yaml:\d is no YAML/)
  assert.match(await refused(t, ['--config', 'none.yaml']), /none\.yaml can't be read: it is not there/)
  assert.match(await refused(t, ['--source', 'file', 'gone.json']), /gone\.json can't be read: it is not there/)
  assert.match(await refused(t, [...base, '--validate', 'gone.json']), /--validate: gone\.json can't be read/)
  assert.match(await refused(t, [...base, '--filter', 'event.price >']), /EXPR_/)
})

test('what the environment says for other runs is left out, and a slip in a name is told', async t => {
  const folder = folderWith(t, FILES)
  const env = { SLUICE_PROCESS_BROKERS: 'broker:9092', SLUICE_PROCESS_S3_ENDPOINT: 'http://localhost:1', SLUICE_PROCESS_WORKER: '1' }
  const { code, out, err } = await sluice(['process', '--source', 'file', 'data2.json'], { folder, env })
  assert.deepEqual({ code, out }, { code: 0, out: MORE })
  assert.match(err, /SLUICE_PROCESS_WORKER means nothing: did you mean SLUICE_PROCESS_WORKERS\?/)
})

test('a dry run tells what would be done, and touches nothing', async t => {
  const folder = folderWith(t, { ...FILES, 'schema.json': '{}' })
  const io = stubIo({ folder })
  assert.equal(await runProgram(['process', '--source', 'file', 'data1.json', '--validate', 'schema.json', '--filter', 'event.price > 10', '--output', 'new/out.ndjson', '--dry-run'], io, '0.0.0'), 0, io.stderr.text)
  assert.equal(io.stdout.text, [
    'files  would',
    '  read     data1.json',
    '  check    rows by schema.json',
    '  keep     event.price > 10',
    '  write    new/out.ndjson',
    '  failed   rows go to the dead letter file',
    '  state    none: the next run begins anew',
    '  promise  a file that is there is replaced',
    '',
    'in            source file             ok',
    'out           sink file               ok',
    'dead_letters  sink file               ok',
    '',
  ].join('\n'))
  assert.match(await refused(t, ['--source', 'file', 'data1.json', '--filter', 'event.price >', '--dry-run']), /EXPR_/)
  assert.deepEqual(readdirSync(folder).toSorted(), [...Object.keys(FILES), 'schema.json'].toSorted())
})

test('--log-level warn leaves progress and summary out', async t => {
  const { code, err } = await sluice(['process', '--source', 'file', 'data2.json', '--log-level', 'warn'], { folder: folderWith(t, FILES) })
  assert.deepEqual({ code, err }, { code: 0, err: '' })
})

test('--metrics-port serves metrics while it runs', async t => {
  const asked = Promise.withResolvers<string>()
  // The run lasts until the metrics were had.
  const server = createServer((_request, response) => void asked.promise.finally(() => response.end('[]')))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // It listens on a port.
  const onOutput = (text: string): void => {
    const address = /Admin: (\S+)/.exec(text)?.[1]
    if (address !== undefined) asked.resolve(fetch(new URL('/metrics', address)).then(response => response.text()))
  }
  const { code, err } = await sluice(['process', '--source', 'api', '--url', `http://127.0.0.1:${port}`, '--metrics-port', '0'], { folder: folderWith(t, {}), onOutput })
  assert.equal(code, 0, err)
  assert.match(await asked.promise, /^# TYPE sluice_/m)
})

const s3 = await startS3()
const broker = typeof s3 === 'string' ? s3 : await startBroker()
if (typeof s3 === 'string') test('into a bucket', { skip: s3 }, () => undefined)
else {
  after(async () => {
    await s3.dispose()
    if (typeof broker !== 'string') await broker.stop()
  })
  const { endpoint, bucket, access_key: key, secret_key: secret } = s3.config
  const env = { SLUICE_PROCESS_S3_ENDPOINT: endpoint, AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret }
  const idsBelow = async (prefix: string): Promise<number[]> => (await s3.textBelow(prefix)).split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { id: number }).id).toSorted((a, b) => a - b)

  test('an API goes into a bucket', async t => {
    const server = createServer((request, response) => response.end(request.headers['x-who'] === 'me' ? JSON.stringify({ data: [{ id: 1 }, { id: 2 }] }) : '[]'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo // It listens on a port.
    const args = ['--source', 'api', '--url', `http://127.0.0.1:${port}/rows`, '--header', 'x-who: me', '--items', 'data', '--s3-bucket', bucket, '--s3-prefix', 'api', '--timeout', '60s']
    const { code, err } = await sluice(['process', ...args], { folder: folderWith(t, {}), env })
    assert.equal(code, 0, err)
    assert.deepEqual(await idsBelow('api/'), [1, 2])
  })

  test('files go into a bucket once, however often the command is called, and what failed goes under its own prefix', async t => {
    const folder = folderWith(t, { 'a.ndjson': `${ROWS}no json\n` })
    const args = ['process', '--source', 'file', 'a.ndjson', '--s3-bucket', bucket, '--s3-prefix', 'files', '--error-prefix', 'errors/', '--s3-manifest', 'manifest/', '--compression', 'gzip', '--batch-size', '1']
    for (let round = 0; round < 2; round++) {
      const { code, err } = await sluice(args, { folder, env })
      assert.equal(code, 0, err)
      assert.deepEqual(await idsBelow('files/'), [1, 2])
      assert.equal(/Nothing was new: sluice-state\/files-to-.+ holds what was done/.test(err), round === 1, err)
    }
    assert.ok((await s3.keys('files/')).every(name => name.endsWith('.ndjson.gz')))
    assert.equal((await s3.keys('manifest/')).length > 0, true)
    assert.match(await s3.textBelow('errors/'), /no json/)
  })

  test('a dry run looks whether the bucket is there, and leaves nothing in it', async t => {
    const folder = folderWith(t, FILES)
    const dryRun = (to: string): ReturnType<typeof sluice> => sluice(['process', '--source', 'file', 'data1.json', '--s3-bucket', to, '--s3-prefix', 'dry', '--batch-size', '50', '--dry-run'], { folder, env })
    const { code, out, err } = await dryRun(bucket)
    assert.equal(code, 0, out + err)
    assert.match(out, /write {4}s3:\/\/.+\/dry\/\{\{id\}\}\.ndjson\.zst at http:\/\/.+, an object after 50 rows, 256MiB or 60s/)
    assert.match(out, /promise {2}each row is in exactly one object, also after a crash/)
    const bad = await dryRun('no-such-bucket')
    assert.equal(bad.code, 1, bad.out)
    assert.match(bad.out, /out +sink s3 +failed\n {2}S3_BUCKET {2}.*There is no bucket "no-such-bucket"/)
    assert.deepEqual([await s3.keys('dry/'), await s3.unfinished(), readdirSync(folder).toSorted()], [[], [], Object.keys(FILES)])
  })

  test('a bucket that is not there is told in words', async t => {
    const { code, err } = await sluice(['process', '--source', 'file', 'data1.json', '--s3-bucket', 'no-such-bucket'], { folder: folderWith(t, FILES), env })
    assert.equal(code, 1)
    assert.match(err, /There is no bucket "no-such-bucket"/)
  })

  test('a topic goes into a bucket, by partition and offset, and the next run goes on behind it', { skip: typeof broker === 'string' ? broker : false }, async t => {
    const brokers = typeof broker === 'string' ? '' : broker.plain
    const folder = folderWith(t, {})
    const fill = async (from: number, count: number): Promise<void> => {
      writeFileSync(join(folder, 'rows.ndjson'), Array.from({ length: count }, (_, at) => `{"id":${from + at},"city":"c${at % 7}"}\n`).join(''))
      writeFileSync(join(folder, 'fill.yaml'), `pipeline: fill\nsources: { in: { file: { path: rows.ndjson } } }\nsinks: { out: { log: { log: "kafka://${brokers}", topic: data-input, create: { partitions: 3 }, key: event.city } } }\n`)
      const { code, err } = await sluice(['run', '-q', 'fill.yaml'], { folder })
      assert.equal(code, 0, err)
    }
    const all = { ...env, SLUICE_PROCESS_BROKERS: brokers }
    const args = ['process', '--source', 'kafka', '--topic', 'data-input', '--workers', '10', '--s3-bucket', bucket, '--until', 'end']
    await fill(0, 500)
    const first = await sluice(args, { folder, env: all })
    assert.equal(first.code, 0, first.err)
    assert.deepEqual(await idsBelow('data-input/'), Array.from({ length: 500 }, (_, id) => id))
    await fill(500, 100)
    // As the pipeline that the flags mean.
    writeFileSync(join(folder, 'printed.yaml'), await printed(args.slice(1), folder, all))
    const second = await sluice(['run', 'printed.yaml'], { folder, env: all })
    assert.equal(second.code, 0, second.err)
    assert.deepEqual(await idsBelow('data-input/'), Array.from({ length: 600 }, (_, id) => id))
    assert.ok((await s3.keys('data-input/')).every(name => /^data-input\/[012]\/\d{12}-[0-9TZa-z]+-\d{6}\.ndjson\.zst$/.test(name)), (await s3.keys('data-input/')).join('\n'))
    assert.ok(existsSync(join(folder, 'sluice-state')))

    const member = ['process', '--source', 'kafka', '--topic', 'data-input', '--group', 'members', '--until', 'end', '--map', 'id=event.id']
    const rows = async (): Promise<number> => (await sluice(member, { folder, env: all })).out.split('\n').length - 1
    assert.deepEqual([await rows(), await rows()], [600, 0])
    const { code, err } = await sluice(['process', '--source', 'kafka', '--topic', 'no-such-topic', '--until', 'end'], { folder, env: all })
    assert.equal(code, 1)
    assert.match(err, /LOG_UNKNOWN_TOPIC .*no-such-topic/)
  })

  test('a webhook is told of each object, by a secret that is in no pipeline', async t => {
    const receiver = new Receiver(s3)
    t.after(() => receiver.close())
    const folder = folderWith(t, { ...FILES, 'secret.yaml': `notify_secret: ${SECRET}\n` })
    const args = ['--source', 'file', 'data1.json', 'data2.json', '--s3-bucket', bucket, '--s3-prefix', 'hooked', '--s3-manifest', 'hooked-manifest/', '--notify-url', await receiver.listen(), '--config', 'secret.yaml']
    assert.doesNotMatch(await printed(args, folder, env), new RegExp(SECRET))
    const { code, err } = await sluice(['process', ...args], { folder, env })
    assert.equal(code, 0, err)
    assert.equal(receiver.forged, 0)
    await checkTold(s3, 'hooked', receiver.told)
  })

  test('a topic is told of each object of a topic and of a file, and one that is not there is told by a dry run', { skip: typeof broker === 'string' ? broker : false }, async t => {
    const brokers = typeof broker === 'string' ? '' : broker.plain
    const folder = folderWith(t, { 'rows.ndjson': ROWS })
    writeFileSync(join(folder, 'fill.yaml'), `pipeline: fill\nsources: { in: { file: { path: rows.ndjson } } }\nsinks: { out: { log: { log: "kafka://${brokers}", topic: announced, create: { partitions: 1 } } } }\n`)
    assert.equal((await sluice(['run', '-q', 'fill.yaml'], { folder })).code, 0)
    const all = { ...env, SLUICE_PROCESS_NOTIFY_TOPIC: 'results-ready' }
    for (const [name, ...source] of [['kafka', '--topic', 'announced', '--until', 'end'], ['file', 'rows.ndjson']]) {
      const args = ['process', '--source', name ?? '', ...source, '--brokers', brokers, '--s3-bucket', bucket, '--s3-prefix', `told-${name}`, '--s3-manifest', `told-${name}-manifest/`]
      const dry = await sluice([...args, '--dry-run'], { folder, env: { ...all, SLUICE_PROCESS_NOTIFY_TOPIC: 'no-such-topic' } })
      assert.equal(dry.code, 1, dry.err)
      assert.match(dry.out, /tell {5}of each object to the topic no-such-topic[^]*LOG_UNKNOWN_TOPIC/)
      if (name === 'kafka') assert.equal((await sluice(['topic', 'create', 'results-ready', '--log', `kafka://${brokers}`], { folder })).code, 0)
      const { code, err } = await sluice(args, { folder, env: all })
      assert.equal(code, 0, err)
    }
    const told = await toldIn(`kafka://${brokers}`, 'results-ready')
    for (const name of ['kafka', 'file']) await checkTold(s3, `told-${name}`, told.filter(({ data }) => data.key.startsWith(`told-${name}/`)))
  })

  test('a topic is read by a login over TLS, whose password is in no pipeline', { skip: typeof broker === 'string' ? broker : false }, async t => {
    if (typeof broker === 'string') return
    const folder = folderWith(t, { 'ca.pem': broker.ca, 'stranger.pem': broker.strangerCa, 'in.ndjson': ROWS, 'password.yaml': `sasl_password: '${broker.password}'\n` })
    writeFileSync(join(folder, 'fill.yaml'), `pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { log: { log: "kafka://${broker.plain}", topic: guarded, create: { partitions: 1 } } } }\n`)
    assert.equal((await sluice(['run', '-q', 'fill.yaml'], { folder })).code, 0)
    const args = ['--source', 'kafka', '--topic', 'guarded', '--until', 'end', '--brokers', broker.sasl, '--sasl-mechanism', 'SCRAM-SHA-512', '--sasl-username', broker.user]
    const read = (...more: readonly string[]): ReturnType<typeof sluice> => sluice(['process', ...args, ...more], { folder, env: { SLUICE_PROCESS_SASL_PASSWORD: broker.password } })
    assert.equal((await read('--tls-ca', 'ca.pem')).out, ROWS)
    assert.equal((await sluice(['process', ...args, '--tls-ca', 'ca.pem', '--config', 'password.yaml'], { folder })).out, ROWS)
    assert.doesNotMatch(await printed([...args, '--tls-ca', 'ca.pem', '--config', 'password.yaml'], folder), new RegExp(broker.password))
    const { code, err } = await read('--tls-ca', 'stranger.pem', '--dry-run')
    assert.equal(code, 1, err)
  })

  test('killed at random moments, each row of a topic is in exactly one object', { skip: typeof broker === 'string' ? broker : false }, async t => {
    const brokers = typeof broker === 'string' ? '' : broker.plain
    const count = 20_000
    const folder = folderWith(t, { 'wide.ndjson': Array.from({ length: count }, (_, n) => `${JSON.stringify({ n, city: `c${n % 3}`, text: 'x'.repeat(500) })}\n`).join('') })
    writeFileSync(join(folder, 'fill.yaml'), `pipeline: fill\nsources: { in: { file: { path: wide.ndjson } } }\nsinks: { out: { log: { log: "kafka://${brokers}", topic: wide, create: { partitions: 3 }, key: event.city } } }\n`)
    assert.equal((await sluice(['run', '-q', 'fill.yaml'], { folder })).code, 0)
    const file = join(folder, 'printed.yaml')
    const args = ['--source', 'kafka', '--topic', 'wide', '--until', 'end', '--s3-bucket', bucket, '--s3-prefix', 'killed', '--s3-manifest', 'killed-manifest/', '--batch-age', '20ms', '--batch-size', '500', '--filter', 'event.n % 10 != 3']
    writeFileSync(file, await printed(args, folder, { ...env, SLUICE_PROCESS_BROKERS: brokers }))
    Object.assign(process.env, env)
    const kills = await killAtRandom(s3, file, 'killed', 3)
    assert.ok(kills >= 1, `only ${kills} runs were caught alive`)
    const expected = Array.from({ length: count }, (_, n) => n).filter(n => n % 10 !== 3)
    assert.deepEqual((await numbersBelow(s3, 'killed/')).toSorted((a, b) => a - b), expected)
    await checkManifest(s3, 'killed', expected.length)
  })
}
