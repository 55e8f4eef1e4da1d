/**
 * Programs over endless input, measured in turns: one works for a second or two while all others stand still, then the next. Whole runs one after the other differ by a tenth
 * and more on a shared machine; windows side by side meet the same pace, and many of them tell a difference of a hundredth.
 *
 * What a program does is taken from outside: the bytes that it reads and the CPU time that it takes, by Linux's own counts.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  readonly name: string
  readonly pid: number
  /** What somebody else does while it works, until the time that is given, by `performance.now()`. */
  readonly meanwhile?: (until: number) => Promise<void>
  /** After each of its windows, while it stands still. */
  readonly afterwards?: () => void
}

export interface Window {
  readonly bytes_per_second: number
  readonly cpu_seconds_per_gigabyte: number
}

/** Ticks of a second in Linux's counts of CPU time. */
const TICKS = 100

function readBytes(pid: number): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1])
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Windows of each program, in the order of rounds; whose turn is first changes from round to round. All programs stand still at the end. */
export async function inTurns(programs: readonly Program[], { rounds, milliseconds }: { readonly rounds: number; readonly milliseconds: number }): Promise<ReadonlyMap<string, readonly Window[]>> {
  const windows = new Map<string, Window[]>(programs.map(({ name }) => [name, []]))
  for (const { pid } of programs) process.kill(pid, 'SIGSTOP')
  for (let turn = 0; turn < rounds * programs.length; turn++) {
    const round = Math.floor(turn / programs.length)
    const { name, pid, meanwhile, afterwards } = programs[(turn + round) % programs.length] as Program
    process.kill(pid, 'SIGCONT')
    // What it was doing when it was stopped is over, and the caches are its own again.
    await sleep(milliseconds / 10)
    const [bytes, cpu, begun] = [readBytes(pid), cpuSeconds(pid), performance.now()]
    await meanwhile?.(begun + milliseconds)
    await sleep(Math.max(0, begun + milliseconds - performance.now()))
    const [read, seconds, taken] = [readBytes(pid) - bytes, (performance.now() - begun) / 1000, cpuSeconds(pid) - cpu]
    process.kill(pid, 'SIGSTOP')
    afterwards?.()
    windows.get(name)?.push({ bytes_per_second: read / seconds, cpu_seconds_per_gigabyte: taken / (read / 1e9) })
  }
  return windows
}

export const median = (found: readonly number[]): number => found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN

/** What `one` does in relation to `other`: the median of the relations of windows of the same round. */
export function relation(one: readonly Window[], other: readonly Window[], value: (window: Window) => number): number {
  return median(one.map((window, round) => value(window) / value(other[round] as Window)))
}
