import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WorkerRule } from './worker-rule.ts'

/** A pipeline in virtual time: events that come, what a worker does in a second, what all together can do at most. */
class Pipeline {
  workers = 1
  readonly steps: string[] = []
  readonly #rule: WorkerRule
  readonly #each: number
  /** Events a second that the machine does at most. */
  most: number
  #at = 0
  #events = 0
  #backlog = 0

  constructor(most: number, { each = 100, ceiling = Infinity, rest = 0 } = {}) {
    this.#rule = new WorkerRule(1, 0, { least: 1, most, rest })
    this.#each = each
    this.most = ceiling
  }

  /** So many events a second for so many seconds; `held`: sinks take no more than this. */
  run(rate: number, seconds: number): this {
    for (const until = this.#at + seconds * 1000; this.#at < until; ) {
      this.#at += 250
      this.#backlog += rate / 4
      const can = Math.min(this.workers * this.#each, this.most) / 4
      const done = Math.min(this.#backlog, can)
      this.#backlog -= done
      this.#events += done
      const step = this.#rule.next({ at: this.#at, busy: this.workers * (this.#backlog > 0 ? 1 : done / can), held: 0, waiting: this.#backlog > 0 ? 3 * this.workers : 0, events: this.#events })
      if (step === undefined) continue
      this.steps.push(`${this.#at / 1000}s ${this.workers} -> ${step.workers}`)
      this.workers = step.workers
    }
    return this
  }

  get backlog(): number {
    return this.#backlog
  }
}

test('a load that steps from 1 to 4 to 1 is followed within 5 seconds, and workers fall again', () => {
  const pipeline = new Pipeline(8).run(80, 20)
  assert.deepEqual(pipeline.steps, [], 'one worker is enough for the first load')
  pipeline.run(320, 5)
  assert.ok(pipeline.workers >= 4, `${pipeline.workers} workers`)
  pipeline.run(320, 20)
  assert.equal(pipeline.backlog, 0)
  const most = pipeline.workers
  pipeline.run(80, 20)
  assert.ok(pipeline.workers <= 2 && most >= 4, pipeline.steps.join(', '))
})

test('the number does not swing where the load stays the same, whatever it is', () => {
  for (let rate = 20; rate <= 780; rate += 20) {
    const pipeline = new Pipeline(8).run(rate, 60)
    const settled = pipeline.steps.length
    pipeline.run(rate, 600)
    assert.deepEqual(pipeline.steps.slice(settled), [], `at ${rate} events/s`)
    assert.ok(pipeline.backlog < rate, `at ${rate} events/s ${pipeline.backlog} wait`)
  }
})

test('workers that add nothing are taken back, and tried again less and less often', () => {
  const pipeline = new Pipeline(8, { ceiling: 150 }).run(1000, 300)
  assert.deepEqual(pipeline.steps, ['1.25s 1 -> 2', '3.25s 2 -> 4', '5.25s 4 -> 2', '35.25s 2 -> 4', '37.25s 4 -> 2', '97.25s 2 -> 4', '99.25s 4 -> 2', '219.25s 2 -> 4', '221.25s 4 -> 2'])
})

test('a step that brought nothing is tried again at once where things have changed since', () => {
  const pipeline = new Pipeline(8, { ceiling: 50 }).run(1000, 20)
  assert.equal(pipeline.workers, 1)
  pipeline.most = Infinity
  pipeline.run(1000, 10)
  assert.ok(pipeline.workers >= 4, pipeline.steps.join(', '))
})

test('it never has more than it may, and never fewer than one', () => {
  assert.equal(new Pipeline(3).run(5000, 60).workers, 3)
  assert.equal(new Pipeline(3).run(310, 10).run(0, 60).workers, 1)
})

test('where a change costs a cut, there is time between two of them', () => {
  const pipeline = new Pipeline(8, { rest: 15_000 }).run(1000, 62)
  assert.deepEqual(pipeline.steps, ['15s 1 -> 2', '30s 2 -> 4', '45s 4 -> 8'])
})

test('a step tells why it was taken, and by what', () => {
  const rule = new WorkerRule(1, 0, { least: 1, most: 4, rest: 0 })
  const busy = (at: number) => rule.next({ at, busy: 1, held: 0, waiting: 3, events: at / 10 })
  assert.deepEqual([busy(0), busy(500)], [undefined, undefined])
  assert.deepEqual(busy(1000), { workers: 2, why: 'busy for 100 % of the time, and 3 batches wait', busy: 1, rate: 100 })
})

test('a time without samples says nothing: the process stood still', () => {
  const rule = new WorkerRule(2, 0, { least: 1, most: 4, rest: 0 })
  let [at, events] = [0, 0]
  const steps: number[] = []
  const look = (ms: number, busy: number, waiting: number): void => {
    at += ms
    events += busy * ms
    const step = rule.next({ at, busy, held: 0, waiting, events })
    if (step !== undefined) steps.push(step.workers)
  }
  // Always as busy as two can be for ten seconds, with nothing that waits; then nobody looks for a minute.
  for (let turn = 0; turn < 20; turn++) {
    for (let looks = 0; looks < 40; looks++) look(250, 2, 0)
    look(60_000, 0.01, 0)
  }
  assert.deepEqual(steps, [])
  // A step up is judged by what came after the gap.
  for (let looks = 0; looks < 5; looks++) look(250, 2, 9)
  assert.deepEqual(steps, [4])
  rule.made(at)
  look(60_000, 0.01, 9)
  for (let looks = 0; looks < 40; looks++) look(250, 4, 9)
  assert.deepEqual(steps, [4])
})
