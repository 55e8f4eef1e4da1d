/**
 * Random commands against a log and a model of it that is nothing but lists: what committed and uncommitted readers see, which calls are refused and how, and
 * which offsets count, also after crashes, restarts and timeouts.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { Isolation, Producer } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { afterCrash, segmentGround, testGround, text, valuesOf } from './naive-log.fixture.ts'
import type { AnyGround } from './naive-log.fixture.ts'

interface ModelTransaction {
  state: 'open' | 'committed' | 'aborted'
  readonly offsets: Map<string, bigint>
}

interface ModelRecord {
  readonly value: string
  readonly transaction: ModelTransaction | undefined
}

/** One producer object, and what it should know of itself. */
interface Handle {
  readonly producer: Producer
  /**
   * `lapsed`: its timeout aborted what was open, and it has not said abort() yet. `outdated`: a newer producer came between its transactions. `overtaken`: one
   * came after it lapsed; it hears of either first.
   */
  state: 'new' | 'idle' | 'open' | 'lapsed' | 'fenced' | 'outdated' | 'overtaken'
  transaction: ModelTransaction | undefined
}

const TOPIC = 't'
const PARTITIONS = 2
const TIMEOUT = 1000

class System {
  ground: AnyGround
  log: EmbeddedLog
  plain: Producer
  readonly records: ModelRecord[][] = Array.from({ length: PARTITIONS }, () => [])
  readonly offsets = new Map<string, bigint>()
  readonly names = new Map<string, Handle[]>()
  #count = 0

  private constructor(ground: AnyGround, log: EmbeddedLog) {
    this.ground = ground
    this.log = log
    this.plain = log.producer()
  }

  static async open(ground: AnyGround): Promise<System> {
    const log = await EmbeddedLog.open(ground)
    await log.admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }])
    return new System(ground, log)
  }

  value(): string {
    return `v${this.#count++}`
  }

  handle(name: string): Handle {
    const handles = this.names.get(name) ?? []
    if (handles.length === 0) this.names.set(name, [this.make(name)])
    const last = this.names.get(name)?.at(-1)
    assert.ok(last)
    return last
  }

  make(name: string): Handle {
    return { producer: this.log.producer({ transactionalId: name, transactionTimeout: TIMEOUT }), state: 'new', transaction: undefined }
  }

  /** What ends every transaction that is open. */
  abortOpen(state: Handle['state']): void {
    for (const handle of [...this.names.values()].flat()) {
      if (handle.transaction?.state !== 'open') continue
      const isEmpty = handle.transaction.offsets.size === 0 && !this.records.flat().some(record => record.transaction === handle.transaction)
      // The clock of a transaction runs from its first record on.
      if (state === 'lapsed' && isEmpty) continue
      handle.transaction.state = 'aborted'
      handle.state = state
    }
  }

  async restart(): Promise<void> {
    this.abortOpen('fenced')
    this.names.clear()
    this.log = await EmbeddedLog.open(this.ground)
    this.plain = this.log.producer()
  }

  async seen(isolation: Isolation): Promise<string[][]> {
    const consumer = this.log.consumer({ isolation, maxBytes: 300 })
    await consumer.assign(this.records.map((_, partition) => ({ topic: TOPIC, partition })))
    const found: string[][] = this.records.map(() => [])
    for (;;) {
      const fetched = await consumer.fetch({ wait: 0 })
      if (fetched.length === 0) break
      for (const each of fetched) found[each.partition]?.push(...valuesOf([each]).map(value => value.split(' ')[1] ?? ''))
    }
    await consumer.close()
    return found
  }

  async check(): Promise<void> {
    const committed = this.records.map(list => {
      const firstOpen = list.findIndex(({ transaction }) => transaction?.state === 'open')
      const stable = firstOpen < 0 ? list : list.slice(0, firstOpen)
      return stable.filter(({ transaction }) => transaction === undefined || transaction.state === 'committed').map(({ value }) => value)
    })
    assert.deepEqual(await this.seen('read_committed'), committed)
    assert.deepEqual(await this.seen('read_uncommitted'), this.records.map(list => list.map(({ value }) => value)))
    const { offsets } = await this.log.admin.describeGroup('g')
    assert.deepEqual(offsets.map(({ partition, offset }) => [`${partition}`, offset]), [...this.offsets].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

/** The code of the error, or `done`. */
const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(() => 'done', (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)))

type Command = (system: System) => Promise<void>

/** What a call that needs an open transaction should answer. */
const EXPECTED: Record<Handle['state'], RegExp> = {
  new: /LOG_TRANSACTION_STATE/, idle: /LOG_TRANSACTION_STATE/, open: /done/, lapsed: /LOG_TRANSACTION_STATE/, fenced: /LOG_FENCED/, outdated: /LOG_TRANSACTION_STATE/,
  overtaken: /LOG_FENCED|LOG_TRANSACTION_STATE/,
}

const send = (partition: number, count: number): Command => async system => {
  const values = Array.from({ length: count }, () => system.value())
  const acks = await Promise.all(values.map(value => system.plain.send({ topic: TOPIC, partition, value: text(value) })))
  assert.ok(acks.every(({ offset }, index) => index === 0 || offset > (acks[index - 1]?.offset ?? 0n)))
  system.records[partition]?.push(...values.map(value => ({ value, transaction: undefined })))
}

const sendInside = (name: string, partition: number, count: number, pick: number): Command => async system => {
  const handle = pickOf(system, name, pick)
  const values = Array.from({ length: count }, () => system.value())
  const results = await Promise.all(values.map(value => outcome(handle.producer.send({ topic: TOPIC, partition, value: text(value) }))))
  for (const result of results) assert.match(result, EXPECTED[handle.state])
  if (handle.state === 'open') system.records[partition]?.push(...values.map(value => ({ value, transaction: handle.transaction })))
}

const offsetsInside = (name: string, partition: number, offset: bigint): Command => async system => {
  const handle = system.handle(name)
  assert.match(await outcome(handle.producer.sendOffsets({ group: 'g' }, [{ topic: TOPIC, partition, offset }])), EXPECTED[handle.state])
  if (handle.state === 'open') handle.transaction?.offsets.set(`${partition}`, offset)
}

const begin = (name: string): Command => async system => {
  const handle = system.handle(name)
  const isFree = handle.state === 'new' || handle.state === 'idle'
  const refusal = handle.state === 'fenced' || handle.state === 'outdated' ? /LOG_FENCED/ : /LOG_TRANSACTION_STATE|LOG_FENCED/
  assert.match(await outcome(handle.producer.begin()), isFree ? /done/ : refusal)
  if (!isFree) {
    if (handle.state === 'outdated') handle.state = 'fenced'
    return
  }
  if (handle.state === 'new') {
    for (const older of system.names.get(name) ?? []) {
      if (older === handle || older.state === 'new' || older.state === 'fenced') continue
      if (older.transaction?.state === 'open') older.transaction.state = 'aborted'
      older.state = older.state === 'open' ? 'fenced' : older.state === 'idle' || older.state === 'outdated' ? 'outdated' : 'overtaken'
    }
  }
  handle.state = 'open'
  handle.transaction = { state: 'open', offsets: new Map() }
}

const end = (name: string, commit: boolean, pick: number): Command => async system => {
  const handle = pickOf(system, name, pick)
  const mayAbort = handle.state === 'lapsed' && !commit
  const result = await outcome(commit ? handle.producer.commit() : handle.producer.abort())
  assert.match(result, mayAbort ? /done/ : EXPECTED[handle.state])
  if (result !== 'done') return
  if (handle.state === 'open' && handle.transaction !== undefined) {
    handle.transaction.state = commit ? 'committed' : 'aborted'
    if (commit) for (const [partition, offset] of handle.transaction.offsets) system.offsets.set(partition, offset)
  }
  handle.state = 'idle'
}

const another = (name: string): Command => async system => {
  system.handle(name)
  system.names.get(name)?.push(system.make(name))
}

const reset = (partition: number): Command => async system => {
  const isStaged = [...system.names.values()].flat().some(({ transaction }) => transaction?.state === 'open' && transaction.offsets.size > 0)
  assert.equal(await outcome(system.log.admin.resetOffsets('g', [{ topic: TOPIC, partition, offset: 0n }])), isStaged ? 'LOG_GROUP_BUSY' : 'done')
  if (!isStaged) system.offsets.set(`${partition}`, 0n)
}

const timeout: Command = async system => {
  await system.ground.clock.advance(TIMEOUT)
  system.abortOpen('lapsed')
}

const crash: Command = async system => {
  system.ground = afterCrash(system.ground)
  await system.restart()
}

const close: Command = async system => {
  await system.log.close()
  await system.restart()
}

function pickOf(system: System, name: string, pick: number): Handle {
  const last = system.handle(name)
  return system.names.get(name)?.[pick] ?? last
}

const name = fc.constantFrom('x', 'y')
const partition = fc.nat({ max: PARTITIONS - 1 })
const count = fc.integer({ min: 1, max: 5 })
const named = (label: string, command: Command): Command => Object.assign(command, { toString: () => label })

const commands = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(partition, count).map(([p, n]) => named(`send ${p} ${n}`, send(p, n))) },
    { weight: 6, arbitrary: fc.tuple(name, partition, count, fc.nat({ max: 3 })).map(([x, p, n, pick]) => named(`inside ${x} ${p} ${n} ${pick}`, sendInside(x, p, n, pick))) },
    { weight: 3, arbitrary: fc.tuple(name, partition, fc.bigInt({ min: 0n, max: 99n })).map(([x, p, o]) => named(`offsets ${x} ${p} ${o}`, offsetsInside(x, p, o))) },
    { weight: 6, arbitrary: name.map(x => named(`begin ${x}`, begin(x))) },
    { weight: 5, arbitrary: fc.tuple(name, fc.boolean(), fc.nat({ max: 3 })).map(([x, commit, pick]) => named(`end ${x} ${commit} ${pick}`, end(x, commit, pick))) },
    { weight: 1, arbitrary: name.map(x => named(`another ${x}`, another(x))) },
    { weight: 1, arbitrary: partition.map(p => named(`reset ${p}`, reset(p))) },
    { weight: 1, arbitrary: fc.constant(named('timeout', timeout)) },
    { weight: 1, arbitrary: fc.constant(named('crash', crash)) },
    { weight: 1, arbitrary: fc.constant(named('close', close)) },
  ),
  { minLength: 5, maxLength: 40 },
)

for (const [name, makeGround] of Object.entries<() => AnyGround>({ 'the naive storage': testGround, segments: segmentGround })) {
  test(`random commands do what the model says, with crashes and restarts between, on ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(commands, async list => {
        const system = await System.open(makeGround())
        for (const command of list) {
          await command(system)
          await system.check()
        }
        await system.log.close()
      }),
      { numRuns: 100 },
    )
  })
}
