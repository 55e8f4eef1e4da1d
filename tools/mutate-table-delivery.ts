/** Guarding lines of delivery in the engine: acks, barriers, the coordinator, sinks; then order and memory. */
import type { Guard, GuardTest } from './mutate-table.ts'

const at = (file: string, name: string): GuardTest => ({ file, name })
const run = (name: string): GuardTest => at('src/engine/run.test.ts', name)
const inv = (name: string): GuardTest => at('src/engine/invariants.test.ts', name)
const sources = (name: string): GuardTest => at('src/engine/sources.test.ts', name)
const runner = (name: string): GuardTest => at('src/engine/sink-runner.test.ts', name)
const memory = (name: string): GuardTest => at('src/engine/memory.test.ts', name)
const cuts = (name: string): GuardTest => at('test/invariants/cuts.test.ts', name)
const kills = (name: string): GuardTest => at('test/crash/kill.test.ts', name)
const http = (name: string): GuardTest => at('src/connect/http.test.ts', name)
const threads = (name: string): GuardTest => at('src/engine/threads.test.ts', `the result of ${name} does not depend on workers or batches`)

const CUT = cuts('a run that was cut off at any write goes on to the same end: one level')
const UNORDERED = cuts('a run that was cut off at any write goes on to the same end: one level without order')
const MEMORY = cuts('a run that was cut off at any write goes on to the same end: a stage with memory')
const TWO_SOURCES = cuts('a run that was cut off at any write goes on to the same end: an exchange by key and two sources')
const KILLED_KEYED = kills('killed again and again, with other numbers of workers, the output is that of one run, behind partition_by too')
const EXCHANGES = threads('stages with memory behind two exchanges by key, with a split between them')

export const DELIVERY_GUARDS: readonly Guard[] = [
  {
    file: 'src/engine/ack-tracker.ts',
    find: '    if (entry.open <= 0) throw',
    replace: '    if (entry.open < -1) throw',
    tests: [at('src/engine/ack-tracker.test.ts', 'an ack that comes twice is an error')],
    why: 'an ack counted twice hides a loss',
  },
  {
    file: 'src/engine/sources.ts',
    find: 'if (number <= seq) this.durable(number)',
    replace: 'this.durable(number)',
    tests: [sources('only what a cut covers is told to the source')],
    why: 'a source forgets what no cut covers',
  },
  {
    file: 'src/engine/sources.ts',
    find: '(this.#positions[0]?.seq ?? 0) <= seq)',
    replace: '(this.#positions[0]?.seq ?? 0) <= seq + 1)',
    tests: [sources('the position of a cut is that of the last batch before it, and never that of one behind it')],
    why: 'a cut skips a batch',
  },
  {
    file: 'src/engine/sources.ts',
    find: '    this.#last = position\n',
    replace: '',
    tests: [sources('a source that has read nothing since the start keeps the position it started from')],
    why: 'a source that has not been read yet starts from its beginning after the next crash',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '    this.#letters?.hold(seq)\n',
    replace: '',
    tests: [cuts('dead letters of batches behind a cut are not part of it')],
    why: 'dead letters behind a cut are part of its mark, and come twice',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '      barrier.open += lanes\n',
    replace: '',
    tests: [MEMORY],
    why: 'a cut is committed without the memory that belongs to it',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '    barrier.open++\n    sink',
    replace: '    sink',
    tests: [CUT],
    why: 'a cut is committed before the sinks are durable',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '    if (letters !== undefined && !barrier.marks.has(letters.id)) return this.#flush(barrier, letters)\n',
    replace: '',
    tests: [CUT],
    why: 'dead letters are not durable when the position behind them is',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '    await log.append({ time: clock.now(), positions, marks,',
    replace: '    void log.append({ time: clock.now(), positions, marks,',
    tests: [cuts('a source is told of a cut only when it is on disk')],
    why: 'a source forgets what no cut on disk covers',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '    if (!this.#parts.plan.config.ordered) coordinator.hold(seq)\n',
    replace: '',
    tests: [UNORDERED],
    why: 'without order, rows behind a cut are part of its mark, and come twice',
  },
  {
    file: 'src/engine/barriers.ts',
    find: '    await coordinator.until(() => this.#barrier === undefined)\n    await this.#committing\n    const seq',
    replace: '    const seq',
    tests: [cuts('the cut at the end waits for the one that is under way')],
    why: 'two cuts at once: the first is never finished',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '        this.#parts.released(level, seq)\n        continue\n      }\n      const flight',
    replace: '        continue\n      }\n      const flight',
    tests: [UNORDERED],
    why: 'a cut waits for ever for a batch that was released before its turn',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '    flight.open++\n',
    replace: '',
    tests: [inv('3: a slow sink holds the source, and no more than the memory is under way')],
    why: 'a batch counts as landed before its sinks have answered',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '    this.inFlightBytes += bytes - flight.charge\n',
    replace: '    this.inFlightBytes += 0 * (bytes - flight.charge)\n',
    tests: [inv('3: what stages make of a batch counts against the memory')],
    why: 'a stage that makes much out of little fills the memory',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '    this.inFlightBytes += bytes\n    // The levels',
    replace: '    // The levels',
    tests: [inv('3: a slow sink holds the source, and no more than the memory is under way')],
    why: 'what is read does not count against the memory',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '    copy.set(data)\n    return copy',
    replace: '    return data as Uint8Array<ArrayBuffer>',
    tests: [inv('a source may use its array again as soon as it is asked for more')],
    why: 'events change while they are under way',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '    if (flight === undefined) return this.fail(new SluiceError(\'INTERNAL\', `an answer for batch ${message.seq}, which is not under way`))\n    this.counts.add(message.counts)',
    replace: '    if (flight === undefined) return\n',
    tests: [run('what a filter keeps arrives in order, and every event is accounted for')],
    why: 'events of a batch are not counted',
  },
  {
    file: 'src/engine/run.ts',
    find: '      if (!stopped || state === undefined) await generation.coordinator.finish()',
    replace: '      await generation.coordinator.finish()',
    tests: [cuts('a run that was stopped and goes on hands out what its stages held back once, at the end')],
    why: 'a stop hands out half of a sum, and the next start the other half',
  },
  {
    file: 'src/engine/generation.ts',
    find: '    else await this.#barriers.cut()\n',
    replace: '',
    tests: [cuts('a run that ended well leaves a cut behind its last batch')],
    why: 'what a run has done is done again by the next',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '    if (this.#holdBehind !== undefined && flight.seq > this.#holdBehind) {',
    replace: '    if (this.#holdBehind === -2) {',
    tests: [runner('rows of batches behind the one that is held are kept back until they are let go')],
    why: 'dead letters behind a cut are part of its mark',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '        if (this.#writing > 0) return\n',
    replace: '',
    tests: [runner('a flush waits for the writes before it, and the writes behind it wait for the flush')],
    why: 'a flush says that all is durable while a write is under way',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '        this.#flushing = true\n',
    replace: '',
    tests: [runner('a flush waits for the writes before it, and the writes behind it wait for the flush')],
    why: 'bytes behind a mark are written while it is made',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '      if (this.#writing >= this.concurrency) return\n',
    replace: '',
    tests: [runner('writes reach a sink one at a time, in their order')],
    why: 'writes overtake each other',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '    this.#broken = true\n',
    replace: '',
    tests: [runner('behind a write that failed for good nothing more is written, and no flush says that all is durable')],
    why: 'the output has a hole where a write failed',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '        open = retry.map(one => one.row)\n',
    replace: '',
    tests: [http('a server that answers for single events gets only what it could not take, again')],
    why: 'what a server took is sent again',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '      for (const row of left) refused.push({ row, error, attempts })\n',
    replace: '      void left\n',
    tests: [http('a server that does not answer is given up after the timeout')],
    why: 'rows that a sink gave up vanish',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: '    if (refused.length > 0) this.#tell(writes, refused.sort((a, b) => a.row - b.row))\n',
    replace: '',
    tests: [CUT],
    why: 'rows that a sink refused vanish',
  },
  {
    file: 'src/engine/open-sinks.ts',
    find: 'await runner.sink.open(marks[runner.id], committer)',
    replace: 'await runner.sink.open(undefined, committer)',
    tests: [CUT],
    why: 'a sink does not go back to its mark',
  },
  {
    file: 'src/engine/segment.ts',
    find: '--stages > 0 ? events.map(event => event.copy()) : events',
    replace: 'events',
    tests: [inv('two stages behind one get events of their own, and what both feed gets them in the order of the source')],
    why: 'a stage sees what another one changed',
  },
  {
    file: 'src/engine/segment.ts',
    find: '    if (node.inputs > 1) events.sort(byTicket)\n',
    replace: '',
    tests: [inv('two stages behind one get events of their own, and what both feed gets them in the order of the source')],
    why: 'what two stages feed comes in an order that depends on the batches',
  },
  {
    file: 'src/engine/frame.ts',
    find: 'if (first !== undefined && reader.ticket < first.ticket) first = reader',
    replace: 'if (first !== undefined && first.ticket === Infinity) first = reader',
    tests: [EXCHANGES],
    why: 'the order depends on the number of lanes',
  },
  {
    file: 'src/engine/host.ts',
    find: '    level.tail = level.tail.then(() => this.#lane(message, level))',
    replace: '    level.tail = this.#lane(message, level)',
    tests: [inv('behind partition_by a batch waits for the one before it, though a stage waits for the outside')],
    why: 'two batches run through one memory at once',
  },
  {
    file: 'src/engine/merge.ts',
    find: '  rows.sort((a, b) => a.ticket - b.ticket)\n',
    replace: '',
    tests: [EXCHANGES],
    why: 'the order at a sink depends on the number of lanes',
  },
  {
    file: 'src/engine/memory.ts',
    find: 'group.size >= this.#most',
    replace: 'group.size >= Infinity',
    tests: [memory('a full group forgets the key that was not used for longest')],
    why: 'the memory of a stage grows without end',
  },
  {
    file: 'src/engine/memory.ts',
    find: '    if (entry === undefined) return undefined\n    this.dirty[number] = 1',
    replace: '    if (entry === undefined) return undefined',
    tests: [memory('what was only read is handed over again, because its turn to be forgotten has changed')],
    why: 'after a crash another key is forgotten than without one',
  },
  {
    file: 'src/engine/memory.ts',
    find: '      if (part.table !== name || !this.#owns(part.group)) continue\n',
    replace: '      if (part.table !== name) continue\n',
    tests: [memory('a memory takes of what was kept only the groups it owns')],
    why: 'two workers hold the memory of one key',
  },
  {
    file: 'src/engine/memory.ts',
    find: '`${partition.length}:${partition}${key}`',
    replace: '`${partition}${key}`',
    tests: [memory('no key can be made to look like that of another partition')],
    why: 'one partition reads the memory of another',
  },
  {
    file: 'src/engine/lanes.ts',
    find: 'group % this.#options.lanes === this.#options.lane',
    replace: 'group % this.#options.lanes !== this.#options.lane',
    tests: [KILLED_KEYED],
    why: 'after a restart a worker has the memory of others',
  },
  {
    file: 'src/engine/lanes.ts',
    find: '      if (parts.level !== level) continue\n      const stage',
    replace: '      const stage',
    tests: [TWO_SOURCES],
    why: 'a cut holds memory of a later moment',
  },
]
