/** Guarding lines around code of users: plug-ins that clash, and workers that hang or die under it. */
import type { Guard, GuardTest } from './mutate-table.ts'

const watched = (name: string): readonly GuardTest[] => [{ file: 'src/engine/watched.test.ts', name }]
const plugins = (name: string): readonly GuardTest[] => [{ file: 'src/pipeline/plugins/plugins.test.ts', name }]

const LOOPS = watched('an event that a stage loops on for ever is left out; all others arrive once, in order')
const MANY = watched('several such events of one batch and of several are each found, behind other stages too')

export const PLUGIN_GUARDS: readonly Guard[] = [
  {
    file: 'src/engine/watched-link.ts',
    find: 'this.#suspects = [...this.#out.values()].filter(out => !waiting.has(out))',
    replace: 'this.#suspects = [...this.#out.values()].filter(out => !waiting.has(out)).slice(1)',
    tests: LOOPS,
    why: 'a batch that was out when its worker was ended is never worked on again',
  },
  {
    file: 'src/engine/watched-link.ts',
    find: 'data: copy?.slice(), care }',
    replace: 'care }',
    tests: LOOPS,
    why: 'a batch is given to the next worker without its bytes',
  },
  {
    file: 'src/engine/watched-link.ts',
    find: 'const stands = beat === beatBefore && work === workBefore',
    replace: 'const stands = beat === beatBefore',
    tests: watched('a worker that is never without a batch is not taken to hang, though its event loop may not turn for long'),
    why: 'a worker that has much to do is ended again and again',
  },
  {
    file: 'src/engine/work-notes.ts',
    find: 'one.ordinal === ordinal || (one.rest && one.ordinal < ordinal)',
    replace: 'one.ordinal === ordinal',
    tests: watched('where very many events of one batch do so, those behind them are left out with them, and none is lost'),
    why: 'a batch full of such events ends workers without end',
  },
  {
    file: 'src/engine/stage-runner.ts',
    find: 'append(all, error === undefined ? await this.#run([event]) : this.#rejecting(event, error).#result)',
    replace: 'append(all, await this.#run([event]))',
    tests: MANY,
    why: 'the event that ended a worker is shown to the stage again and again',
  },
  {
    file: 'src/engine/crew.ts',
    find: '  if (!isApart) return',
    replace: '  if (threads > 0) return',
    tests: watched('a stage of a user that loops before stages with memory costs them nothing (by key)'),
    why: 'ending a worker takes the memory of stages with it',
  },
  {
    file: 'src/engine/watched-link.ts',
    find: '      else this.#replay(this.#options.journal?.replay ?? [])',
    replace: '      else this.#replay([])',
    tests: watched('a stage with memory that loops has its memory again on the next worker (one owner, without checkpoints)'),
    why: 'a new worker forgets what its stages were told since the last checkpoint',
  },
  {
    file: 'src/engine/lane-journal.ts',
    find: '      entry.care = care',
    replace: '      entry.care = undefined',
    tests: watched('a stage with memory that loops has its memory again on the next worker (one owner, without checkpoints)'),
    why: 'a new worker hangs on an event that was left out before',
  },
  {
    file: 'src/engine/lane-journal.ts',
    find: '    if (this.#gaps.get(message.level) === key) this.#gaps.delete(message.level)',
    replace: '    this.#gaps.delete(message.level)',
    tests: [{ file: 'src/engine/lane-journal.test.ts', name: 'a journal that grew too long has a gap until a snapshot that was asked for behind it' }],
    why: 'memory is made again from half of what led to it',
  },
  {
    file: 'src/pipeline/plugins/declarations.ts',
    find: '    if (owner !== undefined) {',
    replace: '    if (owner === name) {',
    tests: plugins('a name that Sluice or another plug-in has is told with who has it'),
    why: 'a plug-in takes the place of a stage of Sluice in silence',
  },
  {
    file: 'src/pipeline/try-create.ts',
    find: '    tryFormat(declaration.kind, choice, options, reading.registry, context)\n',
    replace: '',
    tests: [{ file: 'src/pipeline/messages.test.ts', name: 'tells of what a format refuses as a whole' }],
    why: 'a format refuses its options when the run begins, or every event does',
  },
  {
    file: 'src/pipeline/check-format.ts',
    find: '.filter(([key]) => isGiven(key))',
    replace: '',
    tests: [{ file: 'src/pipeline/load.test.ts', name: 'options of a format take the kind that is wanted, and what a source sets by itself comes before their defaults' }],
    why: 'a default of the format takes the place of what the source sets: its longest record',
  },
]
