/** Guarding lines of what adapts by itself: workers, batches, requests under way. */
import type { Guard, GuardTest } from './mutate-table.ts'

const scaling = (name: string): readonly GuardTest[] => [{ file: 'src/engine/adaptive/scaling.test.ts', name: `a pipeline ${name} state, is scaled up and down under load: each row once, in order, nothing opened again` }]
const scaler = (name: string): readonly GuardTest[] => [{ file: 'src/engine/adaptive/scaler.test.ts', name }]
const rule = (name: string): readonly GuardTest[] => [{ file: 'src/engine/adaptive/worker-rule.test.ts', name }]
const limit = (name: string): readonly GuardTest[] => [{ file: 'src/engine/adaptive/in-flight.test.ts', name }]
const slots = (name: string): readonly GuardTest[] => [{ file: 'src/engine/adaptive/slots.test.ts', name }]
const batch = (name: string): readonly GuardTest[] => [{ file: 'src/engine/adaptive/batch-rule.test.ts', name }]

export const ADAPTIVE_GUARDS: readonly Guard[] = [
  {
    file: 'src/engine/hosts.ts',
    find: 'return this.#isThreaded && threads >= 1 && !this.#parts.plan.levels.some(({ keyed }) => keyed)',
    replace: 'return this.#isThreaded && threads >= 1',
    tests: scaling('with memory by key, with'),
    why: 'a worker that owns keys is ended, and its memory with it',
  },
  {
    file: 'src/engine/run.ts',
    find: '      threads: this.#scaler.threadsFor(plan.config),\n',
    replace: '',
    tests: scaling('with memory by key, with'),
    why: 'the next generation begins with the number of workers that the one before had',
  },
  {
    file: 'src/engine/worker-loads.ts',
    find: 'for (let at = first + 1; at < total; at++)',
    replace: 'for (let at = first + 1; at < this.#pieces.length; at++)',
    tests: [{ file: 'src/engine/worker-loads.test.ts', name: 'a worker that is to go keeps what it has and gets nothing more, whatever belongs together' }],
    why: 'a worker that has gone is given pieces',
  },
  {
    file: 'src/engine/adaptive/scaler.ts',
    find: "      if (done === 'late') this.#threads = before\n      else isMade = true",
    replace: '      isMade = true',
    tests: scaler('what can not be changed in place waits for a cut; one that comes too late leaves what is there'),
    why: 'a change that was given up is made by the next reload',
  },
  {
    file: 'src/engine/adaptive/scaler.ts',
    find: "    if (this.#configured !== undefined && workers !== this.#configured) this.#order = this.#threads = undefined\n",
    replace: '',
    tests: scaler('an order holds until the config asks for another number, or auto is ordered'),
    why: 'a config that asks for another number of workers is not followed',
  },
  {
    file: 'src/engine/adaptive/scaler.ts',
    find: '    this.#waiting?.reject(over())\n',
    replace: '',
    tests: scaler('behind the end of the reading nothing is changed, and who waits is told so'),
    why: 'who asked for workers waits for ever where the run ends first',
  },
  {
    file: 'src/engine/adaptive/worker-rule.ts',
    find: 'return this.#undo(sample) ?? this.#grow(sample)',
    replace: 'return this.#grow(sample)',
    tests: rule('workers that add nothing are taken back, and tried again less and less often'),
    why: 'workers that add nothing stay',
  },
  {
    file: 'src/engine/adaptive/worker-rule.ts',
    find: 'sample.at < this.#ceiling.until && ',
    replace: 'this.#ceiling.until < 0 && ',
    tests: rule('workers that add nothing are taken back, and tried again less and less often'),
    why: 'workers that add nothing come and go without end',
  },
  {
    file: 'src/engine/adaptive/in-flight.ts',
    find: 'if (this.#refused > REFUSED_SHARE * (this.#count + this.#refused)) {',
    replace: 'if (this.#refused < 0) {',
    tests: limit('refuses beyond ten: ten is the most; what was refused is tried again only now and then'),
    why: 'a server that refuses is asked more and more',
  },
  {
    file: 'src/engine/adaptive/in-flight.ts',
    find: 'if (!this.#wasFull || at - this.#roseAt < this.#refusedAfter) return',
    replace: 'if (!this.#wasFull) return',
    tests: limit('drops beyond ten without a word: as before, and a timeout ten times as long as an answer must not let the limit run far beyond'),
    why: 'the limit runs away before the first timeout is known',
  },
  {
    file: 'src/engine/adaptive/in-flight.ts',
    find: 'if (!this.#wasFull || at',
    replace: 'if (at',
    tests: limit('a fixed need: one at a time is enough, and who does not use the limit must not raise it'),
    why: 'a limit that nobody uses grows',
  },
  {
    file: 'src/engine/adaptive/in-flight.ts',
    find: 'if (rtt > SLOW * shortest + DEVIATIONS * this.#deviation) {',
    replace: 'if (rtt < 0) {',
    tests: limit('delay that grows with the load: n at once take 90 + 10n ms: the delay has doubled at n = 11, where throughput over delay is greatest'),
    why: 'a server that gets slower is asked more and more',
  },
  {
    file: 'src/engine/adaptive/in-flight.ts',
    find: 'if (isFarDown && rtt > SAME * this.#fall.rtt) {',
    replace: 'if (isFarDown && rtt < 0) {',
    tests: limit('a server that becomes three times slower: the longer way is not our doing: after it has been learned, 200 a second of 300 ms are 60 at once again'),
    why: 'a server that has become slower is asked one request at a time for ever',
  },
  {
    file: 'src/engine/adaptive/slots.ts',
    find: 'while (!this.#limit.hasRoom) await',
    replace: 'if (this.limit < 0) await',
    tests: slots('a call that finds no room waits for its turn, and calls are taken in the order in which they came'),
    why: 'a limit is not kept',
  },
  {
    file: 'src/engine/adaptive/slots.ts',
    find: "error.retry && error.code !== 'ABORTED' ?",
    replace: 'error.retry ?',
    tests: slots('an error that may go away says that the server refused; any other says nothing of it, and neither does what comes from memory'),
    why: 'a stop looks like a server that refuses',
  },
  {
    file: 'src/engine/adaptive/batch-rule.ts',
    find: '    if (ms > most && this.#work > most) return',
    replace: '    if (ms < 0) return',
    tests: batch('a slow stage gets batches that keep a worker for a quarter of a second, at once'),
    why: 'a batch keeps a worker for minutes',
  },
  {
    file: 'src/engine/adaptive/batch-rule.ts',
    find: 'if (this.#latency > target) return',
    replace: 'if (this.#latency < 0) return',
    tests: batch('with a target for the latency batches shrink until it holds, and grow back to where it just does'),
    why: 'the target for the latency is not kept',
  },
  {
    file: 'src/engine/adaptive/worker-rule.ts',
    find: 'if (last !== undefined && sample.at - last.at > STILL) this.made(sample.at)',
    replace: 'void last',
    tests: rule('a time without samples says nothing: the process stood still'),
    why: 'a machine that slept is taken for one without work',
  },
]
