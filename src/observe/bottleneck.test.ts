import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bottleneckOf, bottleneckText } from './bottleneck.ts'
import { figuresFor } from './figures.testing.ts'

test('a sink is the bottleneck where it is busy and the workers wait for it', () => {
  const figures = figuresFor({ sink: { busy_seconds: 9.7 }, workers: [{ busy_seconds: 0.4, held_seconds: 9.6 }, { busy_seconds: 0.8, held_seconds: 9.2 }] })
  assert.equal(bottleneckText(figures), 'bottleneck: sink "out" (busy 97 %); the workers wait for it 94 % of the time; 2 workers')
})

test('a stage is the bottleneck where the workers are at work and most of it is the stage\'s', () => {
  const figures = figuresFor({ stage: { busy_seconds: 14 }, workers: [{ busy_seconds: 9.9 }, { busy_seconds: 9.5 }] })
  assert.equal(bottleneckText(figures), 'bottleneck: stage "slow" (70 % of the workers\' time); 2 workers')
})

test('decoding and encoding count too', () => {
  assert.match(bottleneckText(figuresFor({ source: { decode_seconds: 8 }, workers: [{ busy_seconds: 9.9 }] })), /decoding of source "in" \(80 %/)
  assert.match(bottleneckText(figuresFor({ sink: { encode_seconds: 8 }, workers: [{ busy_seconds: 9.9 }] })), /encoding for sink "out" \(80 %/)
})

test('a source is the bottleneck where it is waited for', () => {
  const figures = figuresFor({ source: { waited_seconds: 9 }, workers: [{ busy_seconds: 1, idle_seconds: 9 }] })
  assert.equal(bottleneckText(figures), 'bottleneck: source "in" (waited for 90 % of the time); the workers have nothing to do for 90 % of it; 1 worker')
})

test('where nothing holds anything up, that is said', () => {
  assert.equal(bottleneckText(figuresFor({ workers: [{ busy_seconds: 3, idle_seconds: 7 }] })), 'bottleneck: none; 1 worker')
  assert.equal(bottleneckOf(figuresFor({ seconds: 0, workers: [] })), undefined)
})

test('only what happened since the earlier moment counts', () => {
  const before = figuresFor({ sink: { busy_seconds: 9.7 }, workers: [{ held_seconds: 10 }] })
  const now = figuresFor({ seconds: 20, sink: { busy_seconds: 9.8 }, source: { waited_seconds: 9.5 }, workers: [{ held_seconds: 10, idle_seconds: 9.9 }] })
  assert.equal(bottleneckOf(now, before)?.id, 'in')
  assert.equal(bottleneckOf(now, before)?.kind, 'source')
})
