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
  const figures = figuresFor({ events_in: 5, source: { waited_seconds: 9 }, workers: [{ busy_seconds: 1, idle_seconds: 9 }] })
  assert.equal(bottleneckText(figures), 'bottleneck: source "in" (waited for 90 % of the time); the workers have nothing to do for 90 % of it; 1 worker')
})

test('where nothing holds anything up, that is said', () => {
  assert.equal(bottleneckText(figuresFor({ workers: [{ busy_seconds: 3, idle_seconds: 7 }] })), 'bottleneck: none; 1 worker')
  assert.equal(bottleneckOf(figuresFor({ seconds: 0, workers: [] })), undefined)
})

test('only what happened since the earlier moment counts', () => {
  const before = figuresFor({ sink: { busy_seconds: 9.7 }, workers: [{ held_seconds: 10 }] })
  const now = figuresFor({ seconds: 20, events_in: 5, sink: { busy_seconds: 9.8 }, source: { waited_seconds: 9.5 }, workers: [{ held_seconds: 10, idle_seconds: 9.9 }] })
  assert.equal(bottleneckOf(now, before)?.id, 'in')
  assert.equal(bottleneckOf(now, before)?.kind, 'source')
})

test('a stage that waits is waited for, and takes nobody\'s time', () => {
  const waiting = { waits: true, busy_seconds: 19 }
  assert.equal(bottleneckText(figuresFor({ stage: waiting, workers: [{ busy_seconds: 9.9 }, { busy_seconds: 9.5 }] })), 'bottleneck: stage "slow" (waited for 100 % of the time); 2 workers')
  assert.equal(bottleneckText(figuresFor({ stage: { ...waiting, busy_seconds: 6 }, workers: [{ busy_seconds: 6, idle_seconds: 4 }] })), 'bottleneck: stage "slow" (waited for 60 % of the time); 1 worker')
})

test('what is under way need not be at work: a breaker, a rate limit or a server that is gone is named', () => {
  const trouble = { seconds: 5, attempts: 3, code: 'HTTP_FAILED', message: 'gone' }
  const held = { workers: [{ busy_seconds: 0.5, held_seconds: 9.5 }] }
  const sink = (what: object): string => bottleneckText(figuresFor({ sink: { busy_seconds: 10, ...what }, ...held }))
  assert.equal(sink({ limited_seconds: 9 }), 'bottleneck: sink "out" (under way 100 %; its rate limit holds it back); the workers wait for it 95 % of the time; 1 worker')
  assert.match(sink({ limited_seconds: 1 }), /\(busy 100 %\)/)
  assert.match(sink({ breaker: 'open', trouble }), /\(under way 100 %; its breaker holds it back\)/)
  assert.match(sink({ breaker: 'closed', trouble }), /\(under way 100 %; it fails and is tried again\)/)
  assert.match(sink({ trouble: { ...trouble, seconds: 1 } }), /\(busy 100 %\)/)
  const stage = (what: object): string => bottleneckText(figuresFor({ stage: { waits: true, busy_seconds: 20, ...what }, workers: [{ busy_seconds: 10 }, { busy_seconds: 10 }] }))
  assert.match(stage({ limited_seconds: 19 }), /stage "slow" \(waited for 100 % of the time; its rate limit holds it back\); 2 workers/)
  assert.match(stage({ trouble }), /it fails and is tried again/)
  assert.match(bottleneckText(figuresFor({ source: { waited_seconds: 10, trouble }, workers: [{ idle_seconds: 10 }] })), /source "in" \(waited for 100 % of the time; it fails and is tried again\)/)
})

test('one that is paused, or to which nothing comes, has no bottleneck', () => {
  const quiet = { source: { waited_seconds: 10 }, workers: [{ idle_seconds: 10 }] }
  assert.equal(bottleneckText(figuresFor(quiet)), 'bottleneck: none, nothing comes in; 1 worker')
  assert.match(bottleneckText(figuresFor({ source: { waited_seconds: 10, lag: 7 }, workers: [{ idle_seconds: 10 }] })), /source "in" \(waited for 100 %/)
  assert.equal(bottleneckText(figuresFor({ ...quiet, state: 'paused', sink: { busy_seconds: 10 }, workers: [{ held_seconds: 10 }] })), 'bottleneck: none, the pipeline is paused; 1 worker')
})

test('a stage whose memory one worker owns is told as that worker\'s', () => {
  const figures = figuresFor({ stage: { busy_seconds: 9.7 }, workers: [{ busy_seconds: 9.9 }, { busy_seconds: 1, idle_seconds: 9 }, { idle_seconds: 10 }, { idle_seconds: 10 }] })
  assert.equal(bottleneckText(figures), 'bottleneck: stage "slow" (97 % of the time of one worker, which is full); 4 workers')
  // The rest of its time is moving bytes, which no part is charged with.
  assert.match(bottleneckText(figuresFor({ stage: { busy_seconds: 3.9 }, workers: [{ busy_seconds: 9.9 }, { busy_seconds: 5.2, held_seconds: 4.4 }] })), /stage "slow" \(39 % of the time of one worker, which is full\); 2 workers/)
})

test('workers that have gone, or were started anew, do not count against those that are there', () => {
  const before = figuresFor({ stage: { busy_seconds: 30 }, workers: [{ busy_seconds: 9 }, { busy_seconds: 9 }, { busy_seconds: 9 }] })
  const fewer = figuresFor({ seconds: 20, stage: { busy_seconds: 39 }, workers: [{ busy_seconds: 19 }] })
  assert.equal(bottleneckText(fewer, before), 'bottleneck: stage "slow" (90 % of the workers\' time); 1 worker')
  const anew = figuresFor({ seconds: 20, stage: { busy_seconds: 48 }, workers: [{ busy_seconds: 19 }, { busy_seconds: 8 }] })
  assert.equal(bottleneckText(anew, before), 'bottleneck: stage "slow" (90 % of the workers\' time); 2 workers')
})
