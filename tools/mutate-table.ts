/**
 * The guarding lines: what each of them keeps, and the test that fails when it is gone. `tools/mutate-guards.ts` tries them all.
 *
 * `find` is the exact text, which must stand once in the file; a change of the product that moves it must move it here too. The invariants are those of
 * ARCHITECTURE.md, by their numbers; entries without a number guard delivery beyond them.
 */
import { ADAPTIVE_GUARDS } from './mutate-table-adaptive.ts'
import { COLUMN_GUARDS } from './mutate-table-columns.ts'
import { DELIVERY_GUARDS } from './mutate-table-delivery.ts'
import { DURABLE_GUARDS } from './mutate-table-durable.ts'
import { LOG_GUARDS } from './mutate-table-log.ts'
import { OPERATE_GUARDS } from './mutate-table-operate.ts'
import { PLUGIN_GUARDS } from './mutate-table-plugins.ts'
import { TELEMETRY_GUARDS } from './mutate-table-telemetry.ts'

export interface GuardTest {
  readonly file: string
  /** The test's whole name. */
  readonly name: string
}

export interface Guard {
  /** 1 to 10 where the line guards one of the architecture's invariants. */
  readonly invariant?: number
  readonly file: string
  readonly find: string
  readonly replace: string
  /** All of them must fail. */
  readonly tests: readonly GuardTest[]
  /** What would happen without it. */
  readonly why: string
}

const invariants = (name: string): readonly GuardTest[] => [{ file: 'src/engine/invariants.test.ts', name }]
const threads = (name: string): readonly GuardTest[] => [{ file: 'src/engine/threads.test.ts', name: `the result of ${name} does not depend on workers or batches` }]
const expressions = (name: string): readonly GuardTest[] => [{ file: 'src/expr/expr.test.ts', name }]

/** Invariant 5 (an acknowledgement of the log means: on disk) is the log's; its lines come with it. */
const INVARIANT_GUARDS: readonly Guard[] = [
  {
    invariant: 1,
    file: 'src/engine/delivery.ts',
    find: `        await this.#flushSinks()
        for (const flight of batch)`,
    replace: `        for (const flight of batch)`,
    tests: invariants('1: a position is committed only when all before it is durable at every sink or in the dead letters'),
    why: 'a position is committed before its events are durable',
  },
  {
    invariant: 1,
    file: 'src/engine/ack-tracker.ts',
    find: 'entry !== undefined && entry.open === 0;',
    replace: 'entry !== undefined;',
    tests: [{ file: 'src/engine/ack-tracker.test.ts', name: 'a later batch that finishes first is not released before the earlier one' }],
    why: 'a position is released while a batch before it is open',
  },
  {
    invariant: 2,
    file: 'src/engine/stage-runner.ts',
    find: '    if (this.#answers !== events.length || failed !== undefined) {',
    replace: '    if (failed !== undefined) {',
    tests: [{ file: 'src/engine/run.test.ts', name: 'an event that a stage forgets goes to the dead letters, not into nothing' }],
    why: 'an event that a stage forgets vanishes',
  },
  {
    invariant: 2,
    file: 'src/engine/stage-runner.ts',
    find: '    if (this.#answered[event.slot] === 1) {\n      throw',
    replace: '    if (Number.isNaN(event.slot)) {\n      throw',
    tests: [{ file: 'src/engine/run.test.ts', name: 'an event that a stage answers twice stops the pipeline' }],
    why: 'an event that a stage answers twice is counted twice',
  },
  {
    invariant: 3,
    file: 'src/engine/coordinator.ts',
    find: '    if (this.#flights.size > 0 && this.inFlightBytes >= this.#parts.plan.config.memory) return false\n',
    replace: '',
    tests: invariants('3: a slow sink holds the source, and no more than the memory is under way'),
    why: 'the source reads on while the sink stands still',
  },
  {
    invariant: 4,
    file: 'src/engine/coordinator.ts',
    find: '    if (!this.#parts.plan.config.ordered && this.#parts.plan.levels.length === 1) this.#releaseEarly()',
    replace: '    if (this.#parts.plan.levels.length === 1) this.#releaseEarly()',
    tests: invariants('4: order is kept although some batches take longer'),
    why: 'a batch that is ready sooner passes the one before it',
  },
  {
    invariant: 6,
    file: 'src/engine/checkpoint/log.ts',
    find: '      if (validBehind(bytes, at)) {',
    replace: '      if (bytes.length < 0) {',
    tests: [{ file: 'src/engine/checkpoint/log.test.ts', name: 'a damaged byte in front of a whole cut is an error, and nothing is changed' }],
    why: 'a damaged checkpoint is taken for the end, and the good ones behind it are cut off',
  },
  {
    invariant: 7,
    file: 'src/engine/run.ts',
    find: "cancel = this.#clock.timer(stopTimeout, () => now(new SluiceError('STOP_TIMEOUT', `Not everything had landed ${stopTimeout} ms after the stop.`)))",
    replace: 'cancel = undefined',
    tests: invariants('7: a drain that does not end is ended by its deadline'),
    why: 'a sink that hangs holds the stop for ever',
  },
  {
    invariant: 7,
    file: 'src/connect/http.ts',
    find: 'signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)])',
    replace: 'signal: context.signal',
    tests: [{ file: 'src/connect/http.test.ts', name: 'a server that does not answer is given up after the timeout' }],
    why: 'a server that does not answer holds the pipeline for ever',
  },
  {
    invariant: 8,
    file: 'tools/check-imports.ts',
    find: '    if (isTest || typeOnly || !OUTSIDE.test(specifier) ||',
    replace: '    if (isTest || typeOnly || specifier !== from ||',
    tests: [{ file: 'tools/check-imports.test.ts', name: 'files, network, threads and timers are reached through platform only' }],
    why: 'a room may open files and sockets by itself',
  },
  {
    invariant: 9,
    file: 'src/expr/runtime.ts',
    find: '    if (this.#cost > this.env.costLimit) throw',
    replace: '    if (this.#cost < 0) throw',
    tests: expressions('an evaluation that costs too much ends'),
    why: 'an expression runs without end',
  },
  {
    invariant: 9,
    file: 'src/expr/compile.ts',
    find: "    if (typeof value === 'string') return { text: JSON.stringify(value) }",
    replace: "    if (typeof value === 'string') return { text: `\"${value}\"` }",
    tests: expressions('no text breaks out of the generated code'),
    why: 'a text of the user becomes code',
  },
  {
    invariant: 9,
    file: 'src/connect/sinks/file.ts',
    find: "      if (!path.startsWith(root + sep) || path.includes('\\0')) throw",
    replace: '      if (root === path) throw',
    tests: [{ file: 'src/connect/files.test.ts', name: 'a file for each city can not be led out of its folder, nor have a name that no file can have' }],
    why: 'an event chooses a file anywhere on the machine',
  },
  {
    invariant: 10,
    file: 'src/engine/merge.ts',
    find: '  if (outputs.length > 1) renumber(outputs)\n',
    replace: '',
    tests: threads('stages with memory behind two exchanges by key, with a split between them'),
    why: 'what several lanes made comes in an order that depends on how many there are',
  },
]

export const GUARDS: readonly Guard[] = [...INVARIANT_GUARDS, ...DELIVERY_GUARDS, ...COLUMN_GUARDS, ...DURABLE_GUARDS, ...LOG_GUARDS, ...ADAPTIVE_GUARDS, ...PLUGIN_GUARDS, ...OPERATE_GUARDS, ...TELEMETRY_GUARDS]
