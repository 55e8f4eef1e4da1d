/** Lines of the log that keep a promise, and the tests that fail without them: planted bugs, of the kinds that other logs were found to have. */
import type { Guard, GuardTest } from './mutate-table.ts'

const suite = (name: string): GuardTest => ({ file: 'src/log/conformance/embedded.test.ts', name })
const powerCut: GuardTest = { file: 'test/log/power-cut.test.ts', name: 'after a power cut at any operation everything acknowledged is there, and nothing else' }

const faults = (name: string): GuardTest => ({ file: 'test/log/disk-faults.test.ts', name })
const damage = (name: string): GuardTest => ({ file: 'test/log/damage.test.ts', name })
const retries = (name: string): GuardTest => ({ file: 'test/log/retries.test.ts', name })
const MARKERS = damage('a damaged marker never brings back what was aborted')
const FLIPS = damage('a changed byte in any file is never served, hides no more than its batch, and makes the log delete nothing')
const CUTS = damage('a segment that was cut at any byte of its last three batches is recovered up to the last whole batch, and says what it gave up')
const SYNC = faults('a failed sync acknowledges nothing and stops the partition; what was acknowledged survives the power cut that follows')
const FULL = retries('what was sent behind a batch that a full disk refused is refused too, and all of it can be sent again')

const membership = (name: string): GuardTest => ({ file: 'src/log/kafka/membership.test.ts', name })
const segments = (name: string): GuardTest => ({ file: 'src/log/embedded/storage/segment.test.ts', name })

const STORAGE_GUARDS: readonly Guard[] = [
  {
    file: 'src/log/embedded/storage/segment.ts',
    find: '    return this.#isDoubtful || this.holes.length > 0 ? undefined : this.maxTimestamp\n',
    replace: '    return this.maxTimestamp\n',
    tests: [segments('a segment whose newest record is damaged is not given up before the one that follows it')],
    why: 'newer records are given up with older ones, because damage hides their time',
  },
  {
    file: 'src/log/embedded/storage/clean.ts',
    find: '  if (behind !== segment.length || next > segment.next) throw DAMAGED\n',
    replace: '',
    tests: [segments('compaction leaves a damaged segment as it is, byte for byte, whether or not the damage was met before')],
    why: 'compaction writes a segment anew without what lies behind damage',
  },
  {
    file: 'src/log/embedded/storage/partition.ts',
    find: '      await Promise.all([...this.#readers])\n      await old.close()\n',
    replace: '      await old.close()\n',
    tests: [segments('a read that begins while compaction replaces its segment ends well')],
    why: 'a segment is closed under a reader',
  },
  {
    file: 'src/log/embedded/storage/segment.ts',
    find: '    if (found === undefined || !(await this.#fits(found.places))) return undefined\n',
    replace: '    if (found === undefined) return undefined\n',
    tests: [segments('a file of places that is gone, damaged or about another length changes no answer, and is made anew')],
    why: 'places of other bytes are believed',
  },
  {
    file: 'src/log/embedded/storage/partition.ts',
    find: '      if (fresh.length > 0) await this.#makeDurable()\n',
    replace: '      if (fresh.length > 0) void this.#makeDurable()\n',
    tests: [powerCut],
    why: 'a record is acknowledged before it is on disk',
  },
  {
    file: 'src/log/embedded/storage/partition.ts',
    find: '      return this.#stop(taken, error)\n',
    replace: '      await this.#last.sync()\n      void error\n',
    tests: [SYNC],
    why: 'a failed sync is tried again, and the second one lies',
  },
  {
    file: 'src/log/embedded/storage/partition.ts',
    find: '    const behind = this.#queue\n    this.#queue = []\n',
    replace: '    const behind: readonly Waiting[] = []\n',
    tests: [FULL],
    why: 'a batch is looked at though the one before it was refused for want of room, and its producer is told that it is out of step',
  },
  {
    file: 'src/log/embedded/storage/partition.ts',
    find: "    await writeDurable(this.#ground.files, join(this.#folder, 'start'), { start: String(start) })\n",
    replace: '',
    tests: [powerCut],
    why: 'records that were given up come back',
  },
  {
    file: 'src/log/embedded/storage/segment.ts',
    find: '    await files.syncFolder(folder)\n',
    replace: '',
    tests: [powerCut],
    why: 'a new segment is written before its name is on disk, and all in it is lost',
  },
  {
    file: 'src/log/batch/check.ts',
    find: 'return crc === crcOf(bytes, at) ? header',
    replace: 'return crc === crc || crc === crcOf(bytes, at) ? header',
    tests: [FLIPS],
    why: 'checksums are not looked at',
  },
  {
    file: 'src/log/embedded/storage/recover.ts',
    find: 'if (whole === undefined && isLast && ',
    replace: 'if (isLast && ',
    tests: [FLIPS],
    why: 'one damaged batch makes the log drop all that comes behind it',
  },
  {
    file: 'src/log/embedded/storage/recover.ts',
    find: '      await segment.cut()\n',
    replace: '',
    tests: [CUTS],
    why: 'a torn tail stays between the records',
  },
  {
    file: 'src/log/embedded/storage/recover.ts',
    find: 'at >= (closed?.bytes ?? 0) ?',
    replace: 'closed === undefined ?',
    tests: [powerCut],
    why: 'what was noted at a closing is believed of what was written since',
  },
  {
    file: 'src/log/embedded/storage/producers.ts',
    find: 'const RECENT = 5',
    replace: 'const RECENT = 1',
    tests: [retries('10,000 batches whose answers are lost at random, five in flight: none is doubled, the order stays')],
    why: 'only the last batch of a producer is remembered, and five are in flight',
  },
  {
    file: 'src/log/embedded/storage/producers.ts',
    find: '    if (epoch < state.epoch) throw',
    replace: '    if (epoch < 0) throw',
    tests: [retries('a marker that comes late, after the next transaction began, is refused and tears nothing')],
    why: 'a delayed commit ends the next transaction',
  },
  {
    file: 'src/log/embedded/storage/producers.ts',
    find: '    if (open !== undefined && open.epoch >= epoch) return\n',
    replace: '    if (open !== undefined) return\n',
    tests: [MARKERS],
    why: 'a damaged abort marker lets the next commit bring back what was aborted',
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
  {
    file: 'src/log/kafka/membership.ts',
    find: '    this.#hooks.lose(this.#hooks.held())\n',
    replace: '    this.#hooks.lose(this.#hooks.owned())\n',
    tests: [membership('what a member is still giving back when the group drops it is lost, once, and it joins as somebody new')],
    why: 'a member waits for work on partitions that are others\' already, and its commits end the run',
  },
  {
    file: 'src/log/kafka/membership.ts',
    find: '      if (this.#isKnown) await assign(added)\n',
    replace: '      await assign(added)\n',
    tests: [membership('a member that is dropped while it gives part of its share back does not take the rest of a share that is void')],
    why: 'a partition has two readers, and records are worked on twice',
  },
  {
    file: 'src/log/kafka/membership.ts',
    find: '      if (life.aborted) throw left()\n      // What was given up',
    replace: '      // What was given up',
    tests: [membership('a member that leaves while its share is being taken is none when that is done')],
    why: 'a member that left takes itself for one, and never joins again',
  },
  {
    file: 'src/log/kafka/heartbeat-membership.ts',
    find: '    this.#hooks.lose(this.#hooks.held())\n',
    replace: '    this.#hooks.lose(this.#hooks.owned())\n',
    tests: [{ file: 'src/log/kafka/heartbeat-membership.test.ts', name: 'what a member is still giving back when the group drops it is lost, once, and it takes nothing of that share any more' }],
    why: 'a member waits for work on partitions that are others\' already, and its commits end the run',
  },
  {
    file: 'src/log/kafka/group-consumer.ts',
    find: 'if (!membership.isMember() && !this.#hasJoined) throw',
    replace: 'if (!membership.isMember() && !membership.isLost()) throw',
    tests: [{ file: 'test/kafka/gone.test.ts', name: 'a member (classic) that could not join again while the broker was away does so once it is back, and tells what it had lost' }],
    why: 'a source whose brokers were away for half a minute ends its run',
  },
  {
    file: 'src/log/kafka/lane.ts',
    find: 'this.#owner.clock.timer(this.#owner.deliveryTimeout, ',
    replace: 'this.#owner.clock.timer(30_000, ',
    tests: [{ file: 'src/log/kafka/lane.test.ts', name: 'without a deadline batches go again and again, each once and in order, for as long as nobody takes them' }],
    why: 'a sink gives its records up after half a minute without brokers',
  },
]
