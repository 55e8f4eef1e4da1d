/**
 * Runs a long exploration in a process of its own: under the test runner, each promise costs several times as much.
 *
 * The program prints one line of JSON with its counts, or fails with what it found.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

export async function outside(program: string, ...args: readonly (string | number)[]): Promise<Record<string, number>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, program), ...args.map(String)], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_TEST_CONTEXT: undefined } })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.on('close', resolve)
  const code = await promise
  if (code !== 0) throw new Error(errors === '' ? `${program} ended with ${code}` : errors)
  // The programs in this folder print nothing but their counts.
  return JSON.parse(out) as Record<string, number>
}

/** The same in several processes, each with its share: the arguments, then which share, then of how many. Counts are added up. */
export async function inShares(shares: number, program: string, ...args: readonly (string | number)[]): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const counts of await Promise.all(Array.from({ length: shares }, (_, share) => outside(program, ...args, share, shares)))) {
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count
  }
  return sums
}
