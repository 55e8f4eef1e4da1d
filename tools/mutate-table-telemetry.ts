/** Guarding lines of what a run tells: times, traces, and what is sent of them. */
import type { Guard, GuardTest } from './mutate-table.ts'

const tracing = (name: string): readonly GuardTest[] => [{ file: 'src/engine/tracing.test.ts', name }]
const notes = (name: string): readonly GuardTest[] => [{ file: 'src/engine/trace-notes.test.ts', name }]
const spans = (name: string): readonly GuardTest[] => [{ file: 'src/observe/otlp/spans.test.ts', name }]
const figures = (name: string): readonly GuardTest[] => [{ file: 'src/engine/figures.test.ts', name }]

export const TELEMETRY_GUARDS: readonly Guard[] = [
  {
    file: 'src/engine/host.ts',
    find: '        if (traces !== undefined && event.headers !== message.headers) event.headers = traces.carry(event.headers)\n',
    replace: '',
    tests: tracing('events with headers of their own carry a span each, and those without none'),
    why: 'the trace of an event ends here',
  },
  {
    file: 'src/engine/host.ts',
    find: 'headers: traces.carry(message.headers, true)',
    replace: 'headers: traces.carry(message.headers)',
    tests: tracing('headers that all events of a piece share make the trace that of the batch'),
    why: 'a request and what it is worked on with are two traces',
  },
  {
    file: 'src/engine/segment.ts',
    find: '    this.traces?.failed(event.headers, codeOf(error))\n',
    replace: '',
    tests: tracing('events with headers of their own carry a span each, and those without none'),
    why: 'an event that went to the dead letters looks as if all was well',
  },
  {
    file: 'src/engine/coordinator.ts',
    find: '    flight.trace?.end()\n',
    replace: '',
    tests: tracing('a batch is told of when it was worked on, then its writes, and then that it has landed'),
    why: 'no batch is ever sent',
  },
  {
    file: 'src/engine/sink-runner.ts',
    find: 'trace: trace?.context }',
    replace: '}',
    tests: tracing('a batch is told of when it was worked on, then its writes, and then that it has landed'),
    why: 'a request does not carry the trace on',
  },
  {
    file: 'src/engine/trace-notes.ts',
    find: 'if (parent?.sampled !== true) return headers',
    replace: 'if (parent === undefined) return headers',
    tests: notes('what is not sampled, or no trace at all, is left as it is'),
    why: 'a trace that nobody keeps is made to look kept',
  },
  {
    file: 'src/engine/trace-notes.ts',
    find: ' || this.#events.length >= EVENTS_MAX',
    replace: '',
    tests: notes('of a batch with many traces the first hundred have spans; the others go on as they came'),
    why: 'a batch costs as many spans as it has events',
  },
  {
    file: 'src/observe/otlp/spans.ts',
    find: '    if (id !== undefined) this.#ids.choose(id)\n',
    replace: '',
    tests: spans('each event with a trace has a span in it, by the id that it is carried on with, and the batch is linked with all of them'),
    why: 'what comes behind hangs on a span that does not exist',
  },
  {
    file: 'src/observe/otlp/spans.ts',
    find: "    for (const batch of [...this.#open]) batch.end('The run ended before all sinks had taken it.')\n",
    replace: '',
    tests: spans('what has not landed when the run ends has failed, with all that came with it'),
    why: 'what was under way when a run failed is not seen',
  },
  {
    file: 'src/engine/work-clock.ts',
    find: 'overlaps ? (this.#steps[node] ?? 0) : 1',
    replace: '1',
    tests: figures('each stage tells what it left out, how often it had to ask again, and each batch that waited in it, also where several do at once'),
    why: 'several batches count as one that took as long as all',
  },
  {
    file: 'src/engine/meter.ts',
    find: '(ingested === undefined ? this.#landed - since : Math.max(0, this.#clock.now() - ingested))',
    replace: '(this.#landed - since)',
    tests: figures('what is end to end begins where the source says that events were taken in, else with their reading'),
    why: 'the time in a log or a broker is not seen',
  },
]
