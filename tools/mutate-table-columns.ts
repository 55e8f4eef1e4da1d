/** Guarding lines of sinks with several targets, and of the columns that feed them. */
import type { Guard, GuardTest } from './mutate-table.ts'

const columns = (name: string): readonly GuardTest[] => [{ file: 'src/engine/columns/columns.test.ts', name }]

const MANY = columns('rows of many targets that become more than is made at once come whole, and in their order')
const EACH = columns('a target that is another for each row is asked for each, though it reads no field')
const WHOLE = columns('a target that reads all of the event by another name is told by events')

export const COLUMN_GUARDS: readonly Guard[] = [
  {
    invariant: 2,
    file: 'src/engine/columns/runner.ts',
    find: '      this.#leave(sink, document, this.#listed(lost), lost.length)\n',
    replace: '',
    tests: MANY,
    why: 'events whose target can not be told vanish',
  },
  {
    file: 'src/engine/columns/runner.ts',
    find: 'const isSteady = grouping.isSteady && grouping.places.every(field => this.#objects?.isShared(field) === true)',
    replace: 'const isSteady = grouping.isSteady',
    tests: EACH,
    why: 'all events of a batch go to the file of the first',
  },
  {
    file: 'src/engine/columns/runner.ts',
    find: 'const begin = first === from ? 0 :',
    replace: 'const begin = first >= from ? 0 :',
    tests: MANY,
    why: 'events go to the file of others',
  },
  {
    file: 'src/engine/columns/targets.ts',
    find: "        // The clock and others answer something else each time.\n        this.isSteady = false\n",
    replace: '',
    tests: EACH,
    why: 'a target that is drawn for each event is drawn once for all',
  },
  {
    file: 'src/engine/columns/targets.ts',
    find: " && node.name !== '.event'",
    replace: '',
    tests: WHOLE,
    why: 'a template that reads all of the event sees an empty one',
  },
  {
    file: 'src/engine/columns/targets.ts',
    find: '(numbers[from.column]?.[row] ?? 0) + 0',
    replace: '(numbers[from.column]?.[row] ?? 0)',
    tests: columns('a target sees numbers that were computed as they are written'),
    why: 'a file has another name than without columns',
  },
  {
    file: 'src/engine/columns/compile.ts',
    find: 'if (plain === undefined || (plain.grouped !== undefined && grouping === undefined)) return',
    replace: 'if (plain === undefined) return',
    tests: WHOLE,
    why: 'events go to no target where it can not be told by columns',
  },
  {
    file: 'src/engine/columns/host.ts',
    find: '        mark(event)\n        return event\n',
    replace: '        return event\n',
    tests: columns('a target sees what the events of a batch share'),
    why: 'a template sees no key, headers or time',
  },
  {
    invariant: 4,
    file: 'src/engine/columns/merge-fast.ts',
    find: "const target = blocks.has(sink) ? '' : name",
    replace: 'const target = name',
    tests: columns('rows of a batch with a key become one block, in their order, whichever way they took'),
    why: 'events that took the object path come behind those that did not',
  },
  {
    invariant: 4,
    file: 'src/engine/columns/merge-fast.ts',
    find: '    if (ways.length > 1) ways.sort((a, b) => firstTicket(a) - firstTicket(b))\n',
    replace: '',
    tests: MANY,
    why: 'targets come in another order than without columns',
  },
  {
    file: 'src/engine/columns/merge-fast.ts',
    find: '  for (const rows of [...quick, ...slow]) if (rows.shared !== true) pool.give(rows.bytes.buffer)\n',
    replace: '  for (const rows of [...quick, ...slow]) pool.give(rows.bytes.buffer)\n',
    tests: [{ file: 'test/invariants/targets.test.ts', name: 'each line is in its file with 0 workers' }],
    why: 'lines of one file are overwritten by those of another',
  },
  {
    file: 'src/engine/columns/merge-fast.ts',
    find: '    if (part.shared !== true) pool.give(part.bytes.buffer)\n',
    replace: '    pool.give(part.bytes.buffer)\n',
    tests: MANY,
    why: 'lines of one file are overwritten by those of another',
  },
  {
    file: 'src/engine/lanes.ts',
    find: "lines: tickets && node.kind === 'sink'",
    replace: 'lines: tickets',
    tests: [{ file: 'test/log/columns.test.ts', name: 'dead letters go to a topic from columns too' }],
    why: 'dead letters in a topic end the run',
  },
  {
    invariant: 3,
    file: 'src/connect/sinks/target-file.ts',
    find: 'this.#pending.push(new Uint8Array(part))',
    replace: 'this.#pending.push(part)',
    tests: [{ file: 'src/connect/sinks/file.test.ts', name: 'what is gathered for compression is a copy, so that nothing else is held for it, and the chunk can be used again' }],
    why: 'a line in a file that gets few holds all of its batch',
  },
  {
    invariant: 3,
    file: 'src/connect/sinks/file.ts',
    find: '    if (this.#gathered >= GATHERED_MAX) await this.#pack()\n',
    replace: '',
    tests: [{ file: 'src/connect/sinks/file.test.ts', name: 'many compressed files do not gather more together than there is room for' }],
    why: 'ten thousand compressed files hold ten thousand megabytes',
  },
]
