/** Guarding lines of what is done to a pipeline while it runs: another config, and a look at its events. */
import type { Guard, GuardTest } from './mutate-table.ts'

const reload = (file: string, name: string): readonly GuardTest[] => [{ file: `test/reload/${file}.test.ts`, name }]
const tap = (name: string, file = 'tap'): readonly GuardTest[] => [{ file: `src/engine/tap/${file}.test.ts`, name }]

export const OPERATE_GUARDS: readonly Guard[] = [
  {
    invariant: 2,
    file: 'src/engine/run.ts',
    find: 'this.#gone.events.set(id, (this.#gone.events.get(id) ?? 0) + totals.events)',
    replace: '',
    tests: reload('components', 'a sink: removed, without state, idle'),
    why: 'what sinks have taken that a reload took away would be missing in every account',
  },
  {
    file: 'src/engine/run.ts',
    find: 'filter(({ id }) => kept.has(sinkName(id)))',
    replace: 'filter(({ id }) => kept.has(id))',
    tests: reload('components', 'a source that has the name of a sink: its config, without state, idle'),
    why: 'a sink would be taken for the source of the same name',
  },
  {
    file: 'src/engine/closing.ts',
    find: 'failed(part.id, error)',
    replace: 'throw error',
    tests: reload('failures', 'a sink that goes and can\'t be closed is told of, and the new config runs, without state'),
    why: 'a part that can\'t be closed would end a run that takes another config',
  },
  {
    file: 'src/engine/tap/sampler.ts',
    find: 'masked(value, hidden)',
    replace: 'value',
    tests: tap('a field that a stage hides is seen at no place, nor can a filter find out what it holds'),
    why: 'whoever may look at a pipeline would see what it hides',
  },
  {
    file: 'src/engine/tap/hidden.ts',
    find: 'if (declaration?.origins === undefined) return \'all\'',
    replace: 'if (declaration?.origins === undefined) return paths',
    tests: tap('before a stage that does not tell what it makes of what, only names are shown'),
    why: 'what is hidden behind a stage of a user would be seen before it, under another name',
  },
  {
    file: 'src/engine/watched-link.ts',
    find: 'for (const tap of first ? [] : this.#taps.values()) this.#thread.send(tap)',
    replace: '',
    tests: tap('a worker that was started anew is looked at as the one before was', 'threads'),
    why: 'a tap would go blind when a worker is started anew',
  },
  {
    file: 'src/connect/sources/follow.ts',
    find: 'this.#inode !== 0 && this.#inode !== ino',
    replace: 'false',
    tests: [{ file: 'src/connect/files.test.ts', name: 'a followed file that was replaced by a longer one while nobody read is read from its start, which is told' }],
    why: 'the beginning of a file that took the place of the one that was followed would never be read',
  },
]
