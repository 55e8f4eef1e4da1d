/**
 * Runs a column plan over slabs of JSON lines.
 *
 * Rows flow through the steps as selections (arrays of row numbers). A row that a step can't settle leaves the columns right there: it becomes an event, as it
 * stood before the step, and the object path goes on with it. At the end the bytes of both ways are merged by row, so that nobody can tell who took which.
 *
 * Memory: the columns' own, one selection for each output of a step, and the bytes of one batch. One runner serves one thread, one batch at a time.
 */
import { OK, createScanner } from '../../event/index.ts'
import type { Columns, Dictionary, Event, Output, Program } from '../../event/index.ts'
import { SluiceError } from '../../base/index.ts'
import type { BufferPool } from '../buffers.ts'
import type { Counts } from '../counts.ts'
import type { SinkRows } from '../sink-encoder.ts'
import type { WorkClock } from '../work-clock.ts'
import type { ColumnPlan, Step, Target } from './compile.ts'
import { operations } from './document.ts'
import type { Document } from './document.ts'
import { NO, YES } from './predicate.ts'

export const SLAB_BYTES = 1 << 20
export const ROWS_MAX = 16_384
const OUTPUT_BYTES = 3 << 20

/** Who takes rows that leave the columns. */
export interface ObjectPath {
  /** A line that the scan could not read, or not fully: from its first byte to behind its last. */
  line(start: number, end: number, ticket: number): void
  /** The event of a row that leaves the columns, with the text that it has by now. `start` and `end` are those of its line. */
  event(ticket: number, start: number, end: number, text: string): Event
  /** Events for a node, in order of their tickets. */
  hand(node: number, events: Event[]): void
}

/** What the columns made of one batch for one sink. */
export interface FastRows {
  readonly sink: number
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly ends: Int32Array
  readonly tickets: Int32Array
}

interface Ready {
  readonly program: Program
  readonly output: Output
}

export class ColumnRunner {
  readonly columns: Columns
  readonly #plan: ColumnPlan
  readonly #counts: Counts
  readonly #pool: BufferPool
  readonly #work: WorkClock
  readonly #numbers: readonly Float64Array[]
  readonly #ids: readonly Int32Array[]
  readonly #dictionaries: readonly Map<string | undefined, Dictionary>[]
  readonly #versions: readonly number[]
  readonly #programs = new Map<Document, Program>()
  readonly #selections = new Map<Step, Int32Array[]>()
  readonly #answers = new Uint8Array(ROWS_MAX)
  readonly #all: Int32Array
  readonly #output: Output
  #fast: FastRows[] = []
  #base = 0
  #objects: ObjectPath | undefined
  #aside = 0

  /** Throws COLUMNS_ROOM where tables or programs are too large for the columns' memory. */
  constructor(plan: ColumnPlan, counts: Counts, pool: BufferPool, work: WorkClock) {
    this.#pool = pool
    this.#work = work
    this.#plan = plan
    this.#counts = counts
    this.columns = createScanner(plan.paths, { slabBytes: SLAB_BYTES, rowsMax: ROWS_MAX })
    this.#numbers = Array.from({ length: plan.numbers }, () => this.columns.newNumbers())
    this.#ids = plan.lookUps.map(() => this.columns.newRows())
    this.#versions = plan.lookUps.map(({ table }) => table.version)
    this.#dictionaries = plan.lookUps.map(({ table, columns }) => {
      const wanted = new Map([...new Set([undefined, ...columns])].map(column => [column, this.columns.newDictionary()]))
      for (const [key, row] of table.entries()) {
        for (const [column, dictionary] of wanted) dictionary.add(key, column === undefined ? wholeRow(row, columns) : (row[column] ?? 'null'))
      }
      return wanted
    })
    this.#all = this.columns.newRows()
    this.#output = this.columns.newOutput(OUTPUT_BYTES, true)
  }

  /** False once a table was read anew: a new runner must take over. */
  get current(): boolean {
    return this.#plan.lookUps.every(({ table }, at) => table.version === this.#versions[at])
  }

  /** Runs `length` bytes of `columns.input`, whose first row has the number `base`. Answers the number behind the last row; what sinks get is in `take`. */
  run(length: number, objects: ObjectPath, base = 0): number {
    this.#objects = objects
    this.#base = base
    for (let rows = this.columns.scan(length); rows > 0; rows = this.columns.resume()) {
      this.#rows(rows)
      this.#base += rows
    }
    return this.#base
  }

  /** The first so many rows of the next run take the object path, where they can be looked at. */
  setAside(rows: number): void {
    this.#aside = rows
  }

  /** The bytes for sinks since the last call. */
  take(): FastRows[] {
    const fast = this.#fast
    this.#fast = []
    return fast
  }

  #rows(rows: number): void {
    const { status, lineStart, lineEnd } = this.columns
    let count = 0
    const first = Math.min(rows, this.#aside)
    this.#aside = 0
    for (let row = 0; row < first; row++) this.#objects?.line(lineStart[row] ?? 0, lineEnd[row] ?? 0, this.#base + row)
    for (let row = first; row < rows; row++) {
      if (status[row] === OK) this.#all[count++] = row
      else this.#objects?.line(lineStart[row] ?? 0, lineEnd[row] ?? 0, this.#base + row)
    }
    this.#counts.in += count
    this.#lookUp(rows)
    this.#deliver(this.#plan.roots, this.#all, count)
  }

  #lookUp(rows: number): void {
    this.#plan.lookUps.forEach(({ slot }, at) => {
      const dictionary = this.#dictionaries[at]?.get(undefined)
      const ids = this.#ids[at]
      if (dictionary !== undefined && ids !== undefined) this.columns.lookup(slot, dictionary, rows, ids)
    })
  }

  #deliver(targets: readonly Target[], selection: Int32Array, count: number): void {
    if (count === 0) return
    if (targets.length === 0) this.#counts.filtered += count
    else this.#counts.created += (targets.length - 1) * count
    for (const target of targets) {
      if (target.to === 'sink') this.#emit(target.node, target.document, selection, count)
      else if (target.to === 'object') this.#leave(target.node, target.document, selection, count)
      else this.#step(target.step, selection, count)
    }
  }

  #step(step: Step, selection: Int32Array, count: number): void {
    this.#work.count(step.node, count)
    const before = this.#work.switch(step.node)
    this.#run(step, selection, count)
    this.#work.switch(before)
  }

  #run(step: Step, selection: Int32Array, count: number): void {
    switch (step.step) {
      case 'keep':
        return this.#keep(step, selection, count)
      case 'require':
        return this.#require(step, selection, count)
      case 'route':
        return this.#route(step, selection, count)
      case 'change':
        return this.#change(step, selection, count)
    }
  }

  /** Rows that a step can't settle: the object path takes them to its stage, and counts them there. */
  #unsettled({ node, before }: Step, rows: Int32Array, count: number): void {
    this.#work.count(node, -count)
    this.#leave(node, before, rows, count)
  }

  /** Selections of a step's own, made once. The first is for rows that leave. */
  #own(step: Step, count: number): Int32Array[] {
    let own = this.#selections.get(step)
    if (own === undefined) this.#selections.set(step, (own = Array.from({ length: count }, () => this.columns.newRows())))
    return own
  }

  #keep(step: Step & { step: 'keep' }, selection: Int32Array, count: number): void {
    const [leave, stay] = this.#own(step, 2) as [Int32Array, Int32Array] // Made with two.
    const answers = this.#answers
    step.test(this.columns, this.#numbers, selection, count, answers)
    let yes = 0
    let unsure = 0
    for (let at = 0; at < count; at++) {
      const answer = answers[at]
      if (answer === YES) stay[yes++] = selection[at] ?? 0
      else if (answer !== NO) leave[unsure++] = selection[at] ?? 0
    }
    this.#counts.filtered += count - yes - unsure
    this.#work.did(step.node, count - yes - unsure)
    this.#unsettled(step, leave, unsure)
    this.#deliver(step.next, stay, yes)
  }

  #require(step: Step & { step: 'require' }, selection: Int32Array, count: number): void {
    const [leave, stay] = this.#own(step, 2) as [Int32Array, Int32Array] // Made with two.
    const answers = this.#answers
    let left = count
    let unsure = 0
    let from = selection
    for (const test of step.tests) {
      test(this.columns, this.#numbers, from, left, answers)
      let yes = 0
      for (let at = 0; at < left; at++) {
        const row = from[at] ?? 0
        if (answers[at] === YES) stay[yes++] = row
        else leave[unsure++] = row
      }
      left = yes
      from = stay
    }
    if (step.tests.length > 1) leave.subarray(0, unsure).sort()
    this.#unsettled(step, leave, unsure)
    this.#deliver(step.next, from, left)
  }

  #route(step: Step & { step: 'route' }, selection: Int32Array, count: number): void {
    const own = this.#own(step, step.cases.length + 2)
    const leave = own[0] as Int32Array // Made above, as the others.
    const rest = own[1] as Int32Array
    const answers = this.#answers
    let from = selection
    let left = count
    let unsure = 0
    const taken: number[] = []
    step.cases.forEach(({ test }, index) => {
      const to = own[index + 2] as Int32Array
      test(this.columns, this.#numbers, from, left, answers)
      let yes = 0
      let no = 0
      for (let at = 0; at < left; at++) {
        const row = from[at] ?? 0
        if (answers[at] === YES) to[yes++] = row
        else if (answers[at] === NO) rest[no++] = row
        else leave[unsure++] = row
      }
      taken.push(yes)
      from = rest
      left = no
    })
    leave.subarray(0, unsure).sort()
    this.#unsettled(step, leave, unsure)
    step.cases.forEach(({ next }, index) => this.#deliver(next, own[index + 2] as Int32Array, taken[index] ?? 0))
    this.#deliver(step.otherwise, from, left)
  }

  #change(step: Step & { step: 'change' }, selection: Int32Array, count: number): void {
    const [leave, stay, rest] = this.#own(step, 3) as [Int32Array, Int32Array, Int32Array] // Made with three.
    let left = count
    let unsure = 0
    let from = selection
    for (const { compute, column } of step.computes) {
      compute(this.columns, this.#numbers, from, left, this.#answers, this.#numbers[column] as Float64Array) // One for each column.
      let yes = 0
      for (let at = 0; at < left; at++) {
        const row = from[at] ?? 0
        if (this.#answers[at] === YES) stay[yes++] = row
        else leave[unsure++] = row
      }
      left = yes
      from = stay
    }
    // What the program can't be run on, a look-up without a hit among it, is for the object path.
    const fit = this.columns.split(this.#program(step.after), from, left, stay, rest)
    for (let at = 0; at < left - fit; at++) leave[unsure++] = rest[at] ?? 0
    leave.subarray(0, unsure).sort()
    this.#unsettled(step, leave, unsure)
    this.#deliver(step.next, stay, fit)
  }

  #program(document: Document): Program {
    let program = this.#programs.get(document)
    if (program === undefined) {
      const ops = operations(document, {
        slot: path => this.#slot(path),
        numbers: this.#numbers,
        ids: this.#ids,
        dictionary: (lookUp, column) => this.#dictionaries[lookUp]?.get(column) as Dictionary, // Made for every column that a set names.
      })
      this.#programs.set(document, (program = this.columns.compile(ops)))
    }
    return program
  }

  #slot(path: readonly string[]): number {
    return this.#plan.paths.findIndex(known => known.length === path.length && known.every((part, at) => part === path[at]))
  }

  /** Makes the rows' bytes and hands each run of them on. */
  #write(document: Document, selection: Int32Array, count: number, use: (output: Output, from: number, to: number) => void): void {
    const ready: Ready = { program: this.#program(document), output: this.#output }
    for (let at = 0; at < count; ) {
      ready.output.length = 0
      ready.output.rows = 0
      const next = this.columns.emit(ready.program, selection, at, count, ready.output)
      if (next === at) throw new SluiceError('RECORD_TOO_LONG', `An event grew to more than ${OUTPUT_BYTES} bytes.`)
      use(ready.output, at, next)
      at = next
    }
  }

  #emit(sink: number, document: Document, selection: Int32Array, count: number): void {
    const before = this.#work.switch(sink)
    this.#write(document, selection, count, (output, from, to) => {
      const tickets = selection.slice(from, to)
      if (this.#base > 0) for (let at = 0; at < tickets.length; at++) tickets[at] = (tickets[at] ?? 0) + this.#base
      const bytes = this.#pool.take(output.length)
      bytes.set(output.bytes.subarray(0, output.length))
      this.#fast.push({ sink, bytes, ends: (output.ends ?? new Int32Array(0)).slice(0, output.rows), tickets })
    })
    this.#work.switch(before)
  }

  /** Turns rows into events for a node of the object path. */
  #leave(node: number, document: Document, selection: Int32Array, count: number): void {
    if (count === 0) return
    const { lineStart, lineEnd } = this.columns
    const objects = this.#objects as ObjectPath // Set by `run`.
    const events: Event[] = []
    const add = (row: number, text: string): void => {
      const event = objects.event(this.#base + row, lineStart[row] ?? 0, lineEnd[row] ?? 0, text)
      event.ticket = this.#base + row
      events.push(event)
    }
    if (document.base === 'line' && document.changes.length === 0) for (let at = 0; at < count; at++) add(selection[at] ?? 0, this.columns.line(selection[at] ?? 0))
    else {
      this.#write(document, selection, count, (output, from, to) => {
        const buffer = Buffer.from(output.bytes.buffer, output.bytes.byteOffset, output.length)
        for (let at = from; at < to; at++) {
          const begin = at === from ? 0 : (output.ends?.[at - from - 1] ?? 0)
          add(selection[at] ?? 0, buffer.toString('utf8', begin, (output.ends?.[at - from] ?? 1) - 1))
        }
      })
    }
    objects.hand(node, events)
  }
}

function wholeRow(row: Readonly<Record<string, string>>, columns: readonly (string | undefined)[]): string {
  if (!columns.includes(undefined)) return 'null'
  return `{${Object.entries(row).map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`
}

/** One chunk for each sink: the rows of both ways in the order of the batch. `ends` has the sinks for which the ends of rows are wanted. */
export function mergeFast(
  fast: readonly FastRows[],
  slow: readonly SinkRows[],
  merge: (parts: readonly SinkRows[]) => SinkRows,
  pool: BufferPool,
  ends: { has(sink: number): boolean },
): SinkRows[] {
  const result: SinkRows[] = []
  const sinks = new Set([...fast.map(rows => rows.sink), ...slow.map(rows => rows.sink)])
  for (const sink of sinks) {
    const quick = fast.filter(rows => rows.sink === sink)
    const slower = slow.filter(rows => rows.sink === sink)
    if (slower.length > 0 && quick.length > 0) {
      result.push(merge([...quick.map(asSinkRows), ...slower]))
      for (const { bytes } of [...quick, ...slower]) pool.give(bytes.buffer)
    } else if (quick.length > 0) result.push(joined(quick, pool, ends.has(sink)))
    else result.push(...slower)
  }
  return result
}

function asSinkRows({ sink, bytes, ends, tickets }: FastRows): SinkRows {
  return { sink, target: '', bytes, rows: tickets.length, ends: Uint32Array.from(ends), tickets: Uint32Array.from(tickets), origins: [] }
}

function joined(parts: readonly FastRows[], pool: BufferPool, wantsEnds: boolean): SinkRows {
  const first = parts[0] as FastRows // There is at least one.
  const rows = parts.reduce((sum, part) => sum + part.tickets.length, 0)
  if (parts.length === 1) return { sink: first.sink, target: '', bytes: first.bytes, rows, ends: wantsEnds ? Uint32Array.from(first.ends) : undefined, tickets: undefined, origins: [] }
  const bytes = pool.take(parts.reduce((sum, part) => sum + part.bytes.length, 0))
  const ends = wantsEnds ? new Uint32Array(rows) : undefined
  let at = 0
  let row = 0
  for (const part of parts) {
    bytes.set(part.bytes, at)
    if (ends !== undefined) for (const end of part.ends) ends[row++] = at + end
    at += part.bytes.length
    pool.give(part.bytes.buffer)
  }
  return { sink: first.sink, target: '', bytes, rows, ends, tickets: undefined, origins: [] }
}
