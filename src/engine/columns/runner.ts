/**
 * Runs a column plan over slabs of JSON lines.
 *
 * Rows flow through the steps as selections (arrays of row numbers). A row that a step can't settle leaves the columns right there: it becomes an event, as it
 * stood before the step, and the object path goes on with it. At the end the bytes of both ways are merged by row, so that nobody can tell who took which.
 *
 * Memory: the columns' own, one selection for each output of a step, and the bytes of one batch. One runner serves one thread, one batch at a time.
 */
import { OK, createScanner } from '../../event/index.ts'
import type { Columns, Dictionary, Event, JsonValue, Output, Program } from '../../event/index.ts'
import { SluiceError } from '../../base/index.ts'
import type { BufferPool } from '../buffers.ts'
import type { Counts } from '../counts.ts'
import type { WorkClock } from '../work-clock.ts'
import type { ColumnPlan, Step, Target } from './compile.ts'
import { operations } from './document.ts'
import type { Document } from './document.ts'
import { NO, YES } from './predicate.ts'
import { valueFor } from './targets.ts'
import type { Grouping } from './targets.ts'

export const SLAB_BYTES = 1 << 20
export const ROWS_MAX = 16_384
const OUTPUT_BYTES = 3 << 20

/** Who takes rows that leave the columns. */
export interface ObjectPath {
  /** A line that the scan could not read, or not fully: from its first byte to behind its last. */
  line(start: number, end: number, ticket: number): void
  /** The event of a row that leaves the columns, with the text that it has by now. `start` and `end` are those of its line. */
  event(ticket: number, start: number, end: number, text: string): Event
  /** The same with a value for expressions to read, which need not be all of it, and with what the events of the batch share. */
  bare(ticket: number, start: number, end: number, value: JsonValue): Event
  /** True for a field of a position that is the same for all rows of a run. */
  isShared(field: string): boolean
  /** Events for a node, in order of their tickets. */
  hand(node: number, events: Event[]): void
}

/** What the columns made of one batch for one sink. */
export interface FastRows {
  readonly sink: number
  readonly target: string
  readonly bytes: Uint8Array<ArrayBuffer>
  /** True where `bytes` lies in a buffer with those of other targets. */
  readonly shared?: boolean
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
  /** Rows that were put together elsewhere, for programs to be run on. */
  readonly #list: Int32Array
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
    this.#list = this.columns.newRows()
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
      if (target.to === 'sink') {
        if (target.grouping === undefined) this.#emit(target.node, target.document, '', selection, count)
        else this.#emitGrouped(target.node, target.document, target.grouping, selection, count)
      } else if (target.to === 'object') this.#leave(target.node, target.document, selection, count)
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

  #emit(sink: number, document: Document, target: string, selection: Int32Array, count: number): void {
    const before = this.#work.switch(sink)
    this.#write(document, selection, count, (output, from, to) => {
      const bytes = this.#pool.take(output.length)
      bytes.set(output.bytes.subarray(0, output.length))
      this.#fast.push({ sink, target, bytes, ends: (output.ends ?? new Int32Array(0)).slice(0, output.rows), tickets: this.#tickets(selection, from, to) })
    })
    this.#work.switch(before)
  }

  #tickets(selection: Int32Array, from: number, to: number): Int32Array {
    const tickets = selection.slice(from, to)
    if (this.#base > 0) for (let at = 0; at < tickets.length; at++) tickets[at] = (tickets[at] ?? 0) + this.#base
    return tickets
  }

  /** The same for a sink with several targets. Rows whose target can't be told are left to the object path, which tells why. */
  #emitGrouped(sink: number, document: Document, grouping: Grouping, selection: Int32Array, count: number): void {
    const isSteady = grouping.isSteady && grouping.places.every(field => this.#objects?.isShared(field) === true)
    const before = this.#work.switch(sink)
    const { groups, lost } = this.#group(grouping, selection, isSteady ? 1 : count)
    this.#work.switch(before)
    if (groups.size === 1 && (isSteady || lost.length === 0)) this.#emit(sink, document, [...groups.keys()][0] ?? '', selection, count)
    // What can't be told for one row can't be told for those that are like it.
    else if (isSteady) this.#leave(sink, document, selection, count)
    else {
      this.#leave(sink, document, this.#listed(lost), lost.length)
      this.#emitGroups(sink, document, groups)
    }
  }

  /** Rows as a selection that programs can be run on. */
  #listed(rows: readonly number[]): Int32Array {
    this.#list.set(rows)
    return this.#list
  }

  #group(grouping: Grouping, selection: Int32Array, count: number): { readonly groups: ReadonlyMap<string, readonly number[]>; readonly lost: readonly number[] } {
    const { lineStart, lineEnd } = this.columns
    const objects = this.#objects as ObjectPath // Set by `run`.
    const groups = new Map<string, number[]>()
    const lost: number[] = []
    for (let at = 0; at < count; at++) {
      const row = selection[at] ?? 0
      let target: string
      try {
        target = grouping.target(objects.bare(this.#base + row, lineStart[row] ?? 0, lineEnd[row] ?? 0, valueFor(grouping, row, this.columns, this.#numbers)))
      } catch {
        lost.push(row)
        continue
      }
      const group = groups.get(target)
      if (group === undefined) groups.set(target, [row])
      else group.push(row)
    }
    return { groups, lost }
  }

  /** Rows of several targets are made one behind the other, and leave in one buffer. */
  #emitGroups(sink: number, document: Document, groups: ReadonlyMap<string, readonly number[]>): void {
    const before = this.#work.switch(sink)
    const rows = [...groups.values()].flat()
    const selection = this.#listed(rows)
    this.#write(document, selection, rows.length, (output, from, to) => {
      const all = new Uint8Array(new ArrayBuffer(output.length))
      all.set(output.bytes.subarray(0, output.length))
      let start = 0
      for (const [target, { length }] of groups) {
        const [first, last] = [Math.max(start, from), Math.min(start + length, to)]
        start += length
        if (first >= last) continue
        const begin = first === from ? 0 : (output.ends?.[first - from - 1] ?? 0)
        const ends = (output.ends ?? new Int32Array(0)).slice(first - from, last - from)
        for (let at = 0; at < ends.length; at++) ends[at] = (ends[at] ?? 0) - begin
        this.#fast.push({ sink, target, bytes: all.subarray(begin, begin + (ends.at(-1) ?? 0)), shared: true, ends, tickets: this.#tickets(selection, first, last) })
      }
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
