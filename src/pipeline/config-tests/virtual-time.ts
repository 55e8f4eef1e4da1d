/**
 * Runs work on a clock that moves only when nothing else can happen: a wait of an hour takes no time, and the same things happen in the same order every time.
 *
 * "Nothing else" means: all promises have settled and no file or network call is under way. Real time is bounded, so that what never ends is told.
 */
import { SluiceError } from '../../base/index.ts'
import { systemClock } from '../../platform/index.ts'
import type { TestClock } from './test-clock.ts'

/** Turns of the event loop without news that count as silence. */
const QUIET_TURNS = 8
const REAL_MS_MAX = 30_000
const MOVES_MAX = 100_000

export async function runOn<T>(clock: TestClock, work: Promise<T>, abort: () => void, movesMax = MOVES_MAX): Promise<T> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  work.then(settle, settle)
  const start = systemClock.monotonic()
  for (let moves = 0; ; moves++) {
    await silence(() => settled)
    if (settled) return work
    const wait = clock.next
    const late = systemClock.monotonic() - start > REAL_MS_MAX
    if (late || moves > movesMax) {
      abort()
      throw new SluiceError('TIMED_OUT', late ? `The pipeline did not end within ${REAL_MS_MAX / 1000} s.` : 'The pipeline waits again and again and does not end.')
    }
    if (wait !== undefined) await clock.advance(wait)
  }
}

async function silence(settled: () => boolean): Promise<void> {
  for (let quiet = 0; quiet < QUIET_TURNS && !settled(); quiet++) {
    await new Promise(resolve => setImmediate(resolve))
    if (busy()) quiet = 0
  }
}

/** True while calls to the outside are under way. */
function busy(): boolean {
  return process.getActiveResourcesInfo().some(name => name.startsWith('FSReq') || name.startsWith('TCPConnectWrap') || name.startsWith('GetAddrInfo') || name.startsWith('HTTPClient'))
}
