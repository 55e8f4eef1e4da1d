import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { SimulatedClock } from '../../platform/index.ts'
import { Counts } from '../counts.ts'
import { Meter } from '../meter.ts'
import { testPipeline } from '../testing.ts'
import type { PipelineConfig } from '../config.ts'
import { Scaler } from './scaler.ts'
import type { ScalerParts } from './scaler.ts'
import type { Change } from './decisions.ts'

/** A generation whose workers are as busy as the test says. */
class Stand {
  readonly clock = new SimulatedClock()
  readonly meter = new Meter(this.clock)
  readonly counts = new Counts()
  readonly noted: Change[] = []
  readonly scaler: Scaler
  threads: number
  inPlace = true
  failure: Error | undefined
  readonly coordinator = { waiting: 0 }
  plan: { readonly config: PipelineConfig }

  constructor(workers: number | 'auto', threads: number, more: Partial<ScalerParts> = {}) {
    this.threads = threads
    this.plan = { config: testPipeline([], [], { workers }) }
    this.scaler = new Scaler({ clock: this.clock, meter: this.meter, counts: this.counts, cores: 4, hasThreads: true, note: change => this.noted.push(change), ...more })
    this.scaler.threadsFor(this.plan.config)
    this.scaler.begin(this as never) // All that a scaler asks a generation for.
  }

  canBecome(): boolean {
    return this.inPlace
  }

  become(threads: number): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    this.threads = threads
    return Promise.resolve()
  }

  /** So many workers are busy for so many seconds. */
  async pass(busy: number, seconds: number): Promise<void> {
    this.coordinator.waiting = busy >= this.threads ? 3 * this.threads : 0
    for (let step = 0; step < seconds * 4; step++) {
      this.meter.workers(this.threads, at => (at < busy ? 'busy' : 'idle'))
      this.counts.in += 100 * Math.min(busy, this.threads)
      await this.clock.advance(250)
    }
  }

  get steps(): string[] {
    return this.noted.map(({ from, to, by }) => `${from} -> ${to} ${by}`)
  }
}

test('workers follow the load, and each step is noted with its reason', async () => {
  const stand = new Stand('auto', 1)
  await stand.pass(1, 2)
  await stand.pass(2, 20)
  assert.deepEqual(stand.steps, ['1 -> 2 controller', '2 -> 4 controller', '4 -> 3 controller'])
  assert.match(stand.noted[0]?.why ?? '', /^busy for 100 % of the time, and 3 batches wait$/)
  await stand.pass(0, 12)
  assert.equal(stand.threads, 1)
})

test('a number in the config stays, whatever the load is', async () => {
  const stand = new Stand(2, 2)
  await stand.pass(2, 30)
  await stand.pass(0, 30)
  assert.deepEqual(stand.steps, [])
})

test('an order holds until the config asks for another number, or auto is ordered', async () => {
  const stand = new Stand('auto', 1)
  const { outcome, workers, auto } = await stand.scaler.scale(3)
  assert.deepEqual([outcome, workers, auto], ['changed', 3, false])
  await stand.pass(0, 30)
  assert.equal(stand.threads, 3)
  assert.equal(stand.scaler.threadsFor(stand.plan.config), 3, 'a reload of the same config keeps it')
  assert.equal((await stand.scaler.scale('auto')).auto, true)
  await stand.pass(0, 30)
  assert.equal(stand.threads, 1)
  await stand.scaler.scale(2)
  assert.equal(stand.scaler.threadsFor({ ...stand.plan.config, workers: 4 }), undefined, 'the generation takes what the new config says')
})

test('a generation that has begun with another number, because a reload came in between, is brought to what was ordered', async () => {
  const stand = new Stand(1, 1)
  await stand.scaler.scale(3)
  const next = { plan: stand.plan, threads: 1, coordinator: { waiting: 0 }, canBecome: () => true, become: (threads: number) => Promise.resolve(void (next.threads = threads)) }
  stand.scaler.begin(next as never) // All that a scaler asks a generation for.
  await stand.clock.advance(0)
  assert.equal(next.threads, 3)
})

test('an order for what is there already changes nothing', async () => {
  const stand = new Stand(2, 2)
  assert.deepEqual(await stand.scaler.scale(2), { outcome: 'unchanged', workers: 2, auto: false, error: undefined })
  assert.deepEqual(stand.noted, [])
})

test('what can not be changed in place waits for a cut; one that comes too late leaves what is there', async () => {
  const stand = new Stand(1, 1)
  stand.inPlace = false
  let interrupted = 0
  stand.scaler.listen(() => interrupted++)
  const scaled = stand.scaler.scale(2)
  assert.equal(interrupted, 1)
  await assert.rejects(stand.scaler.scale(3), { code: 'SCALE_BUSY' })
  const waiting = stand.scaler.take()
  assert.equal(waiting?.threads, 2)
  assert.equal(stand.scaler.threadsFor(stand.plan.config), 2, 'the next generation begins with it')
  waiting?.resolve('late')
  assert.deepEqual(await scaled, { outcome: 'late', workers: 1, auto: false, error: undefined })
  assert.equal(stand.scaler.threadsFor(stand.plan.config), undefined)
})

test('a worker that can not be started is reported, and tried no more than the rule says', async () => {
  const stand = new Stand('auto', 1)
  stand.failure = new Error('no memory')
  const { outcome, workers, auto, error } = await stand.scaler.scale(2)
  assert.deepEqual([outcome, workers, error?.code, error?.message], ['failed', 1, 'SCALE_FAILED', 'A worker could not be started: no memory'])
  assert.ok(error instanceof SluiceError)
  assert.equal(auto, true, 'what could not be done is no order')
  assert.deepEqual(stand.noted, [])
})

test('behind the end of the reading nothing is changed, and who waits is told so', async () => {
  const stand = new Stand(1, 1)
  stand.inPlace = false
  const scaled = stand.scaler.scale(2)
  stand.scaler.end()
  await assert.rejects(scaled, { code: 'RELOAD_OVER' })
  await assert.rejects(stand.scaler.scale(2), { code: 'RELOAD_OVER' })
  const alone = new Stand(0, 0, { hasThreads: false })
  await assert.rejects(alone.scaler.scale(2), { code: 'SCALE_THREADS' })
})
