// Loads the command: compiled where the package was built, from its TypeScript source in a checkout.
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

// Compiled code is kept between calls, which halves the start-up; a folder that can't be written costs nothing but that.
enableCompileCache()

// Bytes that come and go outside of the heap (what is read from sockets) begin a marking each few megabytes. Done bit by bit and by other threads, a small heap was looked
// through without end: two fifths of the work of a run from Kafka to S3. At once it takes some milliseconds, a sixth as often. Said here, before anything runs: where a marking has
// been asked for already, Node.js ends with "Check failed: CanBeStarted()" if it may not begin any more. Allowing it later (below) is safe.
setFlagsFromString('--no-incremental-marking')
// Where those bytes count with the heap, a fourth as many markings begin, and some tens of megabytes more lie around: worth it while little is held (below).
// Node.js tells of a flag that it has no more, so only those that are known to have it are asked.
const counts = Number(process.versions.node.split('.')[0]) <= 26
if (counts) setFlagsFromString('--external-memory-accounted-in-global-limit')

// Memory is kept close to what is alive. Nearly everything here dies young, and the collector would rather let garbage pile up to many times of that, in every
// thread: its young part is kept from growing, and the old one is cleaned when it has grown by a fifth, or by 2 MiB (8 MiB otherwise). Measured: a third less memory at the
// same speed. Not while the program is being loaded: nearly all of that stays, and looking through it again and again takes a tenth of the start.
setTimeout(() => {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=20')
  setFlagsFromString('--optimize-for-size')
}, 250).unref()
// A pipeline that holds much pays for that with time: it gets more room. Where it holds so much that looking through it at once would be felt, that is done bit by bit.
const MUCH = 256 * 1024 * 1024
// From here on, bytes outside of the heap count for themselves again: a run into a hundred objects at once held 546 MB else, and 389 with this.
const BESIDE_MAX = 304 * 1024 * 1024
const looking = setInterval(() => {
  const held = process.memoryUsage.rss()
  if (held < MUCH) return
  setFlagsFromString('--heap-growing-percent=100')
  setFlagsFromString('--no-optimize-for-size')
  if (counts && held >= BESIDE_MAX) setFlagsFromString('--no-external-memory-accounted-in-global-limit')
  if (held < MUCH * 2) return
  setFlagsFromString('--incremental-marking')
  clearInterval(looking)
}, 1000)
looking.unref()

// Threads that begin from now on: their young part begins with twice of what it would, so that fewer objects of a batch are taken for ones that stay. The main thread has its sizes already.
setFlagsFromString('--min-semi-space-size=1')

const source = new URL('../src/cli/main.ts', import.meta.url)
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href)
