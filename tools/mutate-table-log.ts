/** Lines of the log that keep a promise, and the tests that fail without them: planted bugs, of the kinds that other logs were found to have. */
import type { Guard, GuardTest } from './mutate-table.ts'

const suite = (name: string): GuardTest => ({ file: 'src/log/conformance/embedded.test.ts', name })
const powerCut: GuardTest = { file: 'test/log/power-cut.test.ts', name: 'after a power cut at any operation everything acknowledged is there, and nothing else' }

export const LOG_GUARDS: readonly Guard[] = [
  {
    file: 'src/log/embedded/durable-file.ts',
    find: '      await file.sync()\n',
    replace: '',
    tests: [powerCut],
    why: 'a small file takes its place before its content is on disk',
  },
  {
    file: 'src/log/embedded/durable-file.ts',
    find: '    await files.syncFolder(dirname(path))\n',
    replace: '',
    tests: [powerCut],
    why: 'a small file is replaced, and the power cut brings the old one back',
  },
  {
    file: 'src/log/embedded/producer-ids.ts',
    find: '{ next: first + BLOCK })\n    this.#next',
    replace: '{ next: first })\n    this.#next',
    tests: [powerCut],
    why: 'producer ids are given again after a restart, and new batches taken for old ones',
  },
  {
    file: 'src/log/embedded/transactions.ts',
    find: "      await this.#write(transaction, commit ? 'prepare_commit' : 'prepare_abort')",
    replace: '      await Promise.resolve()',
    tests: [powerCut],
    why: 'a transaction is committed in one partition and aborted in another',
  },
  {
    file: 'src/log/embedded/transactions.ts',
    find: '      transaction.identity = await this.#raised(transaction.identity)\n',
    replace: '',
    tests: [suite('a second producer of the name fences the first, whose open transaction is aborted')],
    why: 'an old producer goes on beside a new one',
  },
  {
    file: 'src/log/embedded/offset-store.ts',
    find: '    if (commit) for (const each of staged)',
    replace: '    for (const each of staged)',
    tests: [suite('offsets of several partitions and topics are committed with the records, or not at all'), powerCut],
    why: 'offsets of an aborted transaction count',
  },
  {
    file: 'src/log/embedded/offset-store.ts',
    find: 'committed: { offset, metadata, time, topicId: this.#catalog.topic(topic).id }',
    replace: 'committed: { offset: offset + 1n, metadata, time, topicId: this.#catalog.topic(topic).id }',
    tests: [suite('the next member goes on where the offsets were committed'), powerCut],
    why: 'a committed offset is one too high, and a record is never read',
  },
  {
    file: 'src/log/embedded/fetcher.ts',
    find: "this.#isolation === 'read_committed' ? read.aborted : []",
    replace: '[]',
    tests: [suite('records of an aborted transaction are seen by nobody who reads what is committed'), powerCut],
    why: 'aborted records are served',
  },
  {
    file: 'src/log/embedded/fetcher.ts',
    find: "return this.#isolation === 'read_committed' ? storage.stable : storage.end",
    replace: 'return storage.end',
    tests: [suite('what comes behind an open transaction waits for its end')],
    why: 'records are served before their commit',
  },
  {
    file: 'src/log/embedded/group-consumer.ts',
    find: '      this.#parts.groups.checkMember(group, this.#id, offsets)\n',
    replace: '',
    tests: [suite('offsets of a partition that belongs to another member are refused')],
    why: 'a member that was dropped moves the offsets of its successor',
  },
  {
    file: 'src/log/embedded/groups.ts',
    find: 'await Promise.race([finished, late])',
    replace: 'await Promise.race([late, Promise.resolve(false)])',
    tests: [suite('a partition is given back before another member gets it, and what was read can be committed while it is')],
    why: 'a partition has two readers, and records are worked on twice',
  },
]
