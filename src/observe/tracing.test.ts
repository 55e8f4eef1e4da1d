import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTraceparent, traceparentOf } from './tracing.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

test('a traceparent is read, and written as it was', () => {
  const text = `00-${TRACE}-${SPAN}-01`
  assert.deepEqual(parseTraceparent(text), { traceId: TRACE, spanId: SPAN, sampled: true })
  assert.equal(traceparentOf(parseTraceparent(text) ?? assert.fail()), text)
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-02`)?.sampled, false)
})

test('of a later version, what is known of it is read', () => {
  assert.equal(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-comes`)?.spanId, SPAN)
})

test('what is no traceparent is none', () => {
  for (const text of [
    '', 'x', `00-${TRACE}-${SPAN}`, `00-${TRACE}-${SPAN}-01-more`, `ff-${TRACE}-${SPAN}-01`, `00-${'0'.repeat(32)}-${SPAN}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01x`,
  ]) assert.equal(parseTraceparent(text), undefined, text)
})
