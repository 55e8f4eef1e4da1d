/**
 * How fast the disk takes groups of batches: one buffer written and made durable (fdatasync) again and again, in a plain loop, with nothing else around it. No log that
 * acknowledges after the sync, and has one sync under way at a time, gets past it.
 *
 *     node bench/log/disk.ts FOLDER [MEGABYTES]        a line of JSON per size of a group
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '.', megabytes = '192'] = process.argv.slice(2)
const total = Number(megabytes) * 2 ** 20
/** From one batch of a producer to the most that a round of ours writes. */
const SIZES = [64 << 10, 256 << 10, 1 << 20, 4 << 20]

mkdirSync(folder, { recursive: true })
for (const size of SIZES) {
  const bytes = Buffer.alloc(size, 'x')
  const path = join(folder, `disk-${size}`)
  const file = openSync(path, 'w')
  // Small groups sync so often that a part of the bytes tells enough.
  const rounds = Math.max(1, Math.floor(Math.min(total, size * 512) / size))
  const times = new Float64Array(rounds)
  const begun = performance.now()
  for (let round = 0; round < rounds; round++) {
    const at = performance.now()
    for (let done = 0; done < size;) done += writeSync(file, bytes, done, size - done, round * size + done)
    fdatasyncSync(file)
    times[round] = performance.now() - at
  }
  const seconds = (performance.now() - begun) / 1000
  closeSync(file)
  unlinkSync(path)
  times.sort()
  const at = (share: number): number => times[Math.min(rounds - 1, Math.floor(rounds * share))] ?? 0
  console.log(JSON.stringify({ group_bytes: size, rounds, seconds, bytes_per_second: (rounds * size) / seconds, p50_ms: at(0.5), p99_ms: at(0.99) }))
}
