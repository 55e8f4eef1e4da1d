import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { processFigures } from './process-figures.ts'

test('the peak is of this program, not of the one that started it', () => {
  const hoard = "Buffer.alloc(300 << 20, 1); process.stdout.write(require('node:child_process').execFileSync(process.execPath, ['-e', process.argv[1]]))"
  const figures = `import('${pathToFileURL(join(import.meta.dirname, 'process-figures.ts')).href}').then(({ processFigures }) => console.log(processFigures().peak_rss_bytes))`
  const peak = Number(execFileSync(process.execPath, ['-e', hoard, figures], { encoding: 'utf8' }))
  assert.ok(peak > 20e6)
  if (process.platform === 'linux') assert.ok(peak < 250e6, `${peak}`)
})

test('the figures are in seconds and bytes', () => {
  const { cpu_seconds, peak_rss_bytes } = processFigures()
  assert.ok(cpu_seconds > 0 && cpu_seconds < 3600)
  assert.ok(peak_rss_bytes >= process.memoryUsage.rss() * 0.5 && peak_rss_bytes < 1e12)
})
