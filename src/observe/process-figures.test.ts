import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processFigures } from './process-figures.ts'

test('the figures are in seconds and bytes', () => {
  const { cpu_seconds, peak_rss_bytes } = processFigures()
  assert.ok(cpu_seconds > 0 && cpu_seconds < 3600)
  assert.ok(peak_rss_bytes >= process.memoryUsage.rss() * 0.5 && peak_rss_bytes < 1e12)
})
