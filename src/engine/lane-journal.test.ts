import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LaneJournal } from './lane-journal.ts'
import type { LaneMessage } from './lane-journal.ts'
import type { FromHost, GroupState } from './messages.ts'

const frames = (seq: number, bytes: number, level = 1): LaneMessage => ({ kind: 'frames', seq, level, frames: [new Uint8Array(bytes).fill(seq)] })
const snapshot = (id: number, level = 1): LaneMessage => ({ kind: 'snapshot', id, level })
const group = (number: number, value: number): GroupState => ({ stage: 's', table: 't', group: number, bytes: new Uint8Array([value]) })

type Answer = Extract<FromHost, { kind: 'done' | 'snapshot' }>

function answerTo(message: LaneMessage, groups: readonly GroupState[] = []): Answer {
  if (message.kind === 'snapshot') return { kind: 'snapshot', id: message.id, level: message.level, lane: 0, groups }
  const counts = {} as Extract<Answer, { kind: 'done' }>['counts'] // Nobody looks at them here.
  return { kind: 'done', seq: message.seq, level: message.level, lane: 0, frames: [], order: undefined, sinks: [], traces: undefined, counts, work: [], rejects: [], bytes: 0, wakeAt: undefined, spare: undefined }
}

const numbers = (journal: LaneJournal): number[] => journal.replay.map(message => ('seq' in message ? message.seq : -1))
const values = (journal: LaneJournal): number[] => [...journal.groups].sort((a, b) => a.group - b.group).map(({ bytes }) => bytes[0] ?? 0)

test('messages that were answered since the last snapshot are given again, in their order and in bytes of their own', () => {
  const journal = new LaneJournal([group(1, 1), group(2, 2)])
  const messages = [frames(0, 4), frames(1, 4), snapshot(0), frames(2, 4), frames(3, 4)]
  for (const message of messages) journal.note(message)
  for (const message of messages.slice(0, 4)) journal.answered(answerTo(message, [group(2, 9), group(3, 3)]))
  assert.deepEqual(numbers(journal), [2])
  assert.deepEqual(values(journal), [1, 9, 3])
  const [first] = journal.replay
  if (first?.kind === 'frames') first.frames[0]?.fill(77)
  assert.deepEqual(journal.replay, [frames(2, 4)])
})

test('levels are kept apart: a snapshot of one says nothing of another', () => {
  const journal = new LaneJournal([])
  const messages = [frames(0, 1, 1), frames(0, 1, 2), snapshot(0, 2)]
  for (const message of messages) journal.note(message)
  for (const message of messages) journal.answered(answerTo(message))
  assert.deepEqual(journal.replay, [frames(0, 1, 1)])
})

test('a journal that grew too long has a gap until a snapshot that was asked for behind it', () => {
  const journal = new LaneJournal([], 10)
  const before = snapshot(0)
  journal.note(before)
  journal.note(frames(0, 6))
  journal.note(frames(1, 6))
  assert.equal(journal.isWhole, false)
  journal.answered(answerTo(before))
  assert.equal(journal.isWhole, false, 'the snapshot was asked for before the gap')
  const behind = snapshot(1)
  journal.note(behind)
  journal.note(frames(2, 6))
  journal.answered(answerTo(behind))
  assert.equal(journal.isWhole, true)
  journal.answered(answerTo(frames(2, 6)))
  assert.deepEqual(numbers(journal), [2])
})

test('the memory of the last snapshot and what is given again make the memory of now, whatever the order of calls', () => {
  const steps = fc.array(fc.oneof(fc.record({ frames: fc.integer({ min: 1, max: 9 }) }), fc.constant('snapshot' as const), fc.constant('answer' as const)), { maxLength: 60 })
  fc.assert(fc.property(steps, fc.integer({ min: 5, max: 60 }), (all, bytesMax) => {
    const journal = new LaneJournal([], bytesMax)
    const waiting: LaneMessage[] = []
    // The naive stage: the sum of the numbers of all batches.
    let sum = 0
    let seq = 1
    for (const step of all) {
      if (step === 'answer') {
        const message = waiting.shift()
        if (message === undefined) continue
        if (message.kind === 'frames') sum += message.seq
        journal.answered(answerTo(message, [{ ...group(1, 0), bytes: new Uint8Array(new Float64Array([sum]).buffer) }]))
        if (!journal.isWhole) continue
        const [kept] = journal.groups
        const base = kept === undefined ? 0 : (new Float64Array(kept.bytes.buffer)[0] ?? 0)
        assert.equal(base + numbers(journal).filter(one => one >= 0).reduce((a, b) => a + b, 0), sum)
      } else {
        const message = step === 'snapshot' ? snapshot(seq++) : frames(seq++, step.frames)
        journal.note(message)
        waiting.push(message)
      }
    }
  }))
})
