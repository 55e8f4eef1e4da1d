import { test } from 'node:test'
import assert from 'node:assert/strict'
import { History, assertClean } from './history.testing.ts'

const AT = 'topic/0'

/** Sends that were acknowledged, at 0, 1, 2, ... */
function sent(history: History, ...values: readonly string[]): void {
  for (const [offset, value] of values.entries()) history.send('p', AT, value).ok(BigInt(offset))
}

const inTheEnd = (history: History, ...values: readonly (string | undefined)[]): void =>
  history.final(AT, values.flatMap((value, offset) => (value === undefined ? [] : [{ offset: BigInt(offset), value }])))

const kinds = (history: History): string[] => history.check().map(({ kind }) => kind)

test('what was acknowledged once and read once is clean', () => {
  const history = new History()
  sent(history, 'a', 'b', 'c')
  history.poll('r', AT, 0n, 'a')
  history.poll('r', AT, 1n, 'b')
  inTheEnd(history, 'a', 'b', 'c')
  assert.deepEqual(kinds(history), [])
  assert.equal(history.acknowledged, 3)
  assertClean(history)
})

test('a record that was acknowledged and is missing among others is lost', () => {
  const history = new History()
  sent(history, 'a', 'b', 'c')
  inTheEnd(history, 'a', undefined, 'c')
  assert.deepEqual(kinds(history), ['lost'])
  assert.throws(() => assertClean(history, 'seed 7'), /1 anomalies \(seed 7\):\n {2}lost: "b" was acknowledged at topic\/0@1/)
})

test('a record that was acknowledged behind all that is read is unseen', () => {
  const history = new History()
  sent(history, 'a', 'b')
  inTheEnd(history, 'a')
  assert.deepEqual(kinds(history), ['unseen'])
})

test('a send that ended unknown may be there or not', () => {
  for (const there of [true, false]) {
    const history = new History()
    sent(history, 'a')
    history.send('p', AT, 'b').unknown()
    history.send('p', AT, 'never ended')
    if (there) inTheEnd(history, 'a', 'b', 'never ended')
    else inTheEnd(history, 'a')
    assert.deepEqual(kinds(history), [])
  }
})

test('a value at two offsets is a duplicate, in one partition or in two', () => {
  const history = new History()
  sent(history, 'a')
  inTheEnd(history, 'a', 'a')
  assert.deepEqual(kinds(history), ['duplicate'])
})

test('an offset that held two values is inconsistent, whoever saw them', () => {
  const read = new History()
  sent(read, 'a', 'b')
  read.poll('r', AT, 0n, 'b')
  inTheEnd(read, 'a', 'b')
  assert.ok(kinds(read).includes('inconsistent-offset'))
  const acked = new History()
  acked.send('p', AT, 'a').ok(0n)
  acked.send('q', AT, 'b').ok(0n)
  acked.final(AT, [{ offset: 0n, value: 'a' }, { offset: 1n, value: 'b' }])
  assert.ok(kinds(acked).includes('inconsistent-offset'))
})

test('a value that nobody sent, or that was sent elsewhere, is a phantom', () => {
  const history = new History()
  sent(history, 'a')
  inTheEnd(history, 'a', 'ghost')
  assert.deepEqual(kinds(history), ['phantom'])
  const elsewhere = new History()
  elsewhere.send('p', 'other/0', 'a').unknown()
  inTheEnd(elsewhere, 'a')
  assert.deepEqual(kinds(elsewhere), ['phantom'])
})

test('reading a send that failed is reading what was aborted', () => {
  const history = new History()
  history.send('p', AT, 'a').failed()
  inTheEnd(history, 'a')
  assert.deepEqual(kinds(history), ['aborted-read'])
})

test('reading an aborted or never committed transaction is reading what was aborted', () => {
  for (const abort of [true, false]) {
    const history = new History()
    const transaction = history.begin()
    history.send('p', AT, 'a', transaction).ok(0n)
    if (abort) transaction.failed()
    inTheEnd(history, 'a')
    assert.deepEqual(kinds(history), ['aborted-read'])
  }
})

test('records of a committed transaction must be there, of one whose commit is unknown all or none', () => {
  const missing = new History()
  const committed = missing.begin()
  missing.send('p', AT, 'a', committed).ok(0n)
  committed.committing()
  committed.ok()
  inTheEnd(missing)
  assert.deepEqual(kinds(missing), ['unseen'])
  for (const [there, expected] of [[['a', 'b'], []], [[], []], [['a'], ['torn-transaction']]] as const) {
    const history = new History()
    const transaction = history.begin()
    history.send('p', AT, 'a', transaction).ok(0n)
    history.send('p', AT, 'b', transaction).ok(1n)
    transaction.committing()
    transaction.unknown()
    inTheEnd(history, ...there)
    assert.deepEqual(kinds(history), expected)
  }
})

test('a record of a transaction that is read before the commit is called was read too early', () => {
  const history = new History()
  const transaction = history.begin()
  history.send('p', AT, 'a', transaction).ok(0n)
  history.poll('r', AT, 0n, 'a')
  transaction.committing()
  transaction.ok()
  inTheEnd(history, 'a')
  assert.deepEqual(kinds(history), ['precommitted-read'])
})

test('a reader that passes over a record that is there skipped it; passing over what was aborted is right', () => {
  const history = new History()
  sent(history, 'a', 'b', 'c')
  history.poll('r', AT, 0n, 'a')
  history.poll('r', AT, 2n, 'c')
  inTheEnd(history, 'a', 'b', 'c')
  assert.deepEqual(kinds(history), ['poll-skip'])
  const aborted = new History()
  aborted.send('p', AT, 'a').ok(0n)
  aborted.send('p', AT, 'c').ok(2n)
  aborted.poll('r', AT, 0n, 'a')
  aborted.poll('r', AT, 2n, 'c')
  inTheEnd(aborted, 'a', undefined, 'c')
  assert.deepEqual(kinds(aborted), [])
})

test('a reader that goes back by itself is told; another reader may begin anywhere', () => {
  const history = new History()
  sent(history, 'a', 'b')
  history.poll('r', AT, 1n, 'b')
  history.poll('r', AT, 0n, 'a')
  history.poll('other', AT, 0n, 'a')
  inTheEnd(history, 'a', 'b')
  assert.deepEqual(kinds(history), ['nonmonotonic-poll'])
})

test('a producer whose later record lies before the earlier one is told', () => {
  const history = new History()
  history.send('p', AT, 'a').ok(1n)
  history.send('p', AT, 'b').ok(0n)
  inTheEnd(history, 'b', 'a')
  assert.deepEqual(kinds(history), ['nonmonotonic-send'])
})
