import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BatchRule } from './batch-rule.ts'

const KIB = 1024

/** Batches of the size that the rule says, each taking a worker so long for a kilobyte; `landed` adds what else it takes. */
function run(rule: BatchRule, msPerKib: number, batches: number, extra = (_bytes: number) => 0): void {
  for (let batch = 0; batch < batches; batch++) {
    const ms = (rule.bytes / KIB) * msPerKib
    rule.worked(rule.bytes, ms)
    rule.landed(ms + extra(rule.bytes))
  }
}

test('a slow stage gets batches that keep a worker for a quarter of a second, at once', () => {
  const rule = new BatchRule({ most: 512 * KIB, latency: undefined })
  assert.deepEqual(rule.worked(512 * KIB, 8000), { from: 512 * KIB, bytes: 64 * KIB, why: 'a batch kept a worker for 8000 ms', work: 8000, latency: 0 })
  run(rule, 8000 / 512, 1)
  assert.equal(rule.bytes, 8 * KIB)
  run(rule, 8000 / 512, 50)
  assert.ok(rule.bytes >= 8 * KIB && rule.bytes <= 16 * KIB, String(rule.bytes))
})

test('a fast stage gets what the config says, and gets it again after a slow time', () => {
  const rule = new BatchRule({ most: 512 * KIB, latency: undefined })
  run(rule, 0.01, 50)
  assert.equal(rule.bytes, 512 * KIB)
  run(rule, 10, 10)
  assert.ok(rule.bytes >= 10 * KIB && rule.bytes <= 25 * KIB, String(rule.bytes))
  run(rule, 0.01, 50)
  assert.equal(rule.bytes, 512 * KIB)
})

test('a worker that is held up once, by something else, makes little difference', () => {
  const rule = new BatchRule({ most: 512 * KIB, latency: undefined })
  run(rule, 0.1, 50)
  rule.worked(rule.bytes, 400)
  assert.equal(rule.bytes, 512 * KIB)
  rule.worked(200, 400)
  assert.ok(rule.bytes >= 64 * KIB)
  run(rule, 0.1, 50)
  assert.equal(rule.bytes, 512 * KIB)
})

test('batches that come small say nothing of larger ones', () => {
  const rule = new BatchRule({ most: 512 * KIB, latency: undefined })
  rule.worked(512 * KIB, 1000)
  const { bytes } = rule
  for (let batch = 0; batch < 50; batch++) rule.worked(100, 1)
  assert.equal(rule.bytes, bytes)
})

test('with a target for the latency batches shrink until it holds, and grow back to where it just does', () => {
  const rule = new BatchRule({ most: 512 * KIB, latency: 100 })
  // Ten batches wait before each: what a batch takes depends on how large they are.
  const waiting = (bytes: number): number => (bytes / KIB) * 1
  run(rule, 0.1, 400, waiting)
  const latency = (rule.bytes / KIB) * 1.1
  assert.ok(latency <= 100 && latency >= 40, `${latency} ms with ${rule.bytes} bytes`)
  run(rule, 0.001, 4000, () => 0)
  assert.equal(rule.bytes, 512 * KIB)
})

test('whatever is measured, the size stays between 256 bytes and what the config says', () => {
  const measured = fc.record({ bytes: fc.integer({ min: 1, max: 1 << 20 }), ms: fc.double({ min: 0, max: 1e6, noNaN: true }) })
  fc.assert(fc.property(fc.array(measured, { maxLength: 100 }), fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }), fc.constantFrom(1024, 65536, 786432), (all, latency, most) => {
    const rule = new BatchRule({ most, latency })
    for (const { bytes, ms } of all) {
      rule.worked(bytes, ms)
      rule.landed(ms)
      assert.ok(rule.bytes <= most && rule.bytes >= Math.min(256, most), String(rule.bytes))
    }
  }))
})
