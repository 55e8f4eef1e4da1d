/** Lines of the log that keep a promise, and the tests that fail without them: planted bugs, of the kinds that other logs were found to have. */
import type { Guard, GuardTest } from './mutate-table.ts'

const suite = (name: string): GuardTest => ({ file: 'src/log/conformance/embedded.test.ts', name })
const powerCut: GuardTest = { file: 'test/log/power-cut.test.ts', name: 'after a power cut at any operation everything acknowledged is there, and nothing else' }

const faults = (name: string): GuardTest => ({ file: 'test/log/disk-faults.test.ts', name })
const damage = (name: string): GuardTest => ({ file: 'test/log/damage.test.ts', name })
const retries = (name: string): GuardTest => ({ file: 'test/log/retries.test.ts', name })
const FLIPS = damage('a changed byte in any file is never served, hides no more than its batch, and makes the log delete nothing')
const CUTS = damage('a segment that was cut at any byte of its last three batches is recovered up to the last whole batch, and says what it gave up')
const SYNC = faults('a failed sync acknowledges nothing and stops the partition; what was acknowledged survives the power cut that follows')
const FULL = retries('what was sent behind a batch that a full disk refused is refused too, and all of it can be sent again')

/** Bugs of a storage, planted in the plain one, so that the tests that hold every storage are known to bite. */
const STORAGE = 'test/log/plain-storage.fixture.ts'

const STORAGE_GUARDS: readonly Guard[] = [
  {
    file: STORAGE,
    find: `    try {
      await this.#file.sync()
    } catch (error) {
      this.trouble`,
    replace: `    try {
      void this.#file.sync()
    } catch (error) {
      this.trouble`,
    tests: [powerCut],
    why: 'a record is acknowledged before it is on disk',
  },
  {
    file: STORAGE,
    find: "      this.trouble = `a sync failed: ${String(error)}`\n      throw new SluiceError('LOG_STOPPED', `${this.#folder}: ${this.trouble}`, { cause: error })",
    replace: '      await this.#file.sync()\n      void error',
    tests: [SYNC],
    why: 'a failed sync is tried again, and the second one lies',
  },
  {
    file: STORAGE,
    find: 'check.ok && baseOffsetOf(bytes, at) === this.end',
    replace: 'check.ok',
    tests: [FLIPS],
    why: 'offsets, which no checksum covers, are believed',
  },
  {
    file: STORAGE,
    find: '      const next = this.#nextWhole(bytes, at + 1)',
    replace: '      const next = undefined as number | undefined',
    tests: [FLIPS],
    why: 'one damaged batch makes the log drop all that comes behind it',
  },
  {
    file: STORAGE,
    find: '        await this.#file.truncate(at)\n',
    replace: '        this.#length = bytes.length\n',
    tests: [CUTS],
    why: 'a torn tail stays between the records',
  },
  {
    file: STORAGE,
    find: '.slice(-5)',
    replace: '.slice(-1)',
    tests: [retries('10,000 batches whose answers are lost at random, five in flight: none is doubled, the order stays')],
    why: 'only the last batch of a producer is remembered, and five are in flight',
  },
  {
    file: STORAGE,
    find: '    if (epoch < state.epoch) throw',
    replace: '    if (epoch < 0) throw',
    tests: [retries('a marker that comes late, after the next transaction began, is refused and tears nothing')],
    why: 'a delayed commit ends the next transaction',
  },
  {
    file: STORAGE,
    find: '    if (open !== undefined && open.epoch < epoch) this.#abort(open, base)\n    if (open === undefined || open.epoch < epoch) this',
    replace: '    if (open === undefined) this',
    tests: [FLIPS],
    why: 'a damaged abort marker lets the next commit bring back what was aborted',
  },
  {
    file: STORAGE,
    find: '      this.#refused = { error: refusal, upTo: this.#queued }\n',
    replace: '',
    tests: [FULL],
    why: 'a batch is taken though the one before it was refused, and the producer is out of step for good',
  },
  {
    file: STORAGE,
    find: "      await writeDurable(this.#ground.files, `${this.#folder}/start`, { start: String(start) })\n",
    replace: '',
    tests: [powerCut],
    why: 'records that were given up come back',
  },
]

export const LOG_GUARDS: readonly Guard[] = [
  ...STORAGE_GUARDS,
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
