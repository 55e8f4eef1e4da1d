/** Goodbyes to a server that may have stopped to answer: closing must end all the same. */
import type { ComponentContext } from '../../engine/index.ts'

/** Longest wait for a server to take a goodbye, with what goes before it. */
export const GOODBYE = 5000

/** Whether the work was over within so many milliseconds, well or not. */
export async function inTime(work: Promise<unknown>, ms: number, context: ComponentContext): Promise<boolean> {
  const over = new AbortController()
  const late = context.sleep(ms, over.signal).then(() => false, () => false)
  try {
    return await Promise.race([work.then(() => true, () => true), late])
  } finally {
    over.abort()
  }
}
