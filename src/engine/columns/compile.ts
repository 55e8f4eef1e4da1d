/**
 * Follows the stages behind a source and says, for as many of them as can be said, what they do to columns.
 *
 * The result is a tree of steps. A step ends in sinks whose bytes one program makes, in further steps, or in nodes that get events: stages that have no
 * columns, sinks with several feeders, other levels. Nothing here touches bytes; `runner.ts` does.
 */
import { toJson } from '../../expr/index.ts'
import type { ColumnCheck, ColumnEdit, ColumnStep, ColumnValue, LookUpTable, SinkEncoding, Stage } from '../component.ts'
import { MAIN } from '../plan.ts'
import type { Node, Plan } from '../plan.ts'
import type { CompiledExpression } from '../prepare.ts'
import { WHOLE_LINE, changed, operandAt, originAt, pathsOf } from './document.ts'
import type { Document, Origin } from './document.ts'
import { compileNumber, compileTest, staticPath } from './predicate.ts'
import type { Compute, Test } from './predicate.ts'
import { groupingOf } from './targets.ts'
import type { Grouping } from './targets.ts'
import { checkKind, checkRange, slotTest } from './tests.ts'

export type Target =
  | { readonly to: 'step'; readonly step: Step }
  | { readonly to: 'sink'; readonly node: number; readonly document: Document; /** Undefined where there is one target only. */ readonly grouping: Grouping | undefined }
  | { readonly to: 'object'; readonly node: number; readonly document: Document }

interface StepBase {
  readonly node: number
  /** The event before the step: what the object path gets for rows that columns can't settle. */
  readonly before: Document
}
export type Step = StepBase & (
  | { readonly step: 'keep'; readonly test: Test; readonly next: readonly Target[] }
  | { readonly step: 'require'; readonly tests: readonly Test[]; readonly next: readonly Target[] }
  | { readonly step: 'route'; readonly cases: readonly { readonly test: Test; readonly next: readonly Target[] }[]; readonly otherwise: readonly Target[] }
  | {
      readonly step: 'change'
      readonly computes: readonly { readonly compute: Compute; readonly column: number }[]
      readonly lookUp: number | undefined
      readonly after: Document
      readonly next: readonly Target[]
    }
)

export interface LookUp {
  readonly slot: number
  readonly table: LookUpTable
  readonly columns: readonly (string | undefined)[]
}

export interface ColumnPlan {
  readonly paths: readonly (readonly string[])[]
  /** Computed columns. */
  readonly numbers: number
  readonly lookUps: readonly LookUp[]
  readonly roots: readonly Target[]
}

/** What the compiler asks about nodes. */
export interface NodeFacts {
  stage(node: number): Stage | undefined
  /** A sink that takes plain JSON lines, with its encoding where it tells them apart by targets; undefined for others. */
  plainSink(node: Node): { readonly grouped: SinkEncoding | undefined } | undefined
}

/** Most wanted paths: beyond this, columns cost more than they give. */
const PATHS_MAX = 48

/** The plan for what stands behind a source, or undefined where columns would only be in the way. */
export function compileColumns(plan: Plan, source: Node, facts: NodeFacts): ColumnPlan | undefined {
  const compiler = new Compiler(plan, facts)
  const roots = compiler.targets(source, MAIN, WHOLE_LINE)
  // If events go straight to the object path, a scan would only be a detour.
  if (roots.length === 0 || roots.some(target => target.to === 'object') || compiler.paths.length > PATHS_MAX) return undefined
  return { paths: compiler.paths, numbers: compiler.numbers, lookUps: compiler.lookUps, roots }
}

class Compiler {
  readonly paths: (readonly string[])[] = []
  readonly lookUps: LookUp[] = []
  numbers = 0
  readonly #plan: Plan
  readonly #facts: NodeFacts

  constructor(plan: Plan, facts: NodeFacts) {
    this.#plan = plan
    this.#facts = facts
  }

  readonly slot = (path: readonly string[]): number => {
    const at = this.paths.findIndex(known => known.length === path.length && known.every((part, index) => part === path[index]))
    return at >= 0 ? at : this.paths.push(path) - 1
  }

  targets(node: Node, output: string, document: Document): Target[] {
    return (node.outputs.get(output) ?? []).map(index => this.#target(index, document))
  }

  #target(index: number, document: Document): Target {
    const node = this.#plan.nodes[index]
    if (node === undefined || node.level > 0 || node.inputs > 1) return this.#object(index, document)
    if (node.kind === 'sink') return this.#sink(node, document)
    const stage = node.kind === 'stage' ? this.#facts.stage(index) : undefined
    const said = stage?.columns?.()
    const step = said === undefined ? undefined : this.#step(node, said, document)
    if (step === undefined) return this.#object(index, document)
    this.#want(document)
    return { to: 'step', step }
  }

  #object(node: number, document: Document): Target {
    this.#want(document)
    return { to: 'object', node, document }
  }

  #sink(node: Node, document: Document): Target {
    const plain = this.#facts.plainSink(node)
    const grouping = plain?.grouped === undefined ? undefined : groupingOf(plain.grouped, document, this.slot)
    if (plain === undefined || (plain.grouped !== undefined && grouping === undefined)) return this.#object(node.index, document)
    this.#want(document)
    return { to: 'sink', node: node.index, document, grouping }
  }

  #want(document: Document): void {
    for (const path of pathsOf(document)) this.slot(path)
  }

  #step(node: Node, said: ColumnStep, before: Document): Step | undefined {
    const base = { node: node.index, before }
    switch (said.step) {
      case 'keep': {
        const test = this.#test(said.test, before)
        return test === undefined ? undefined : { ...base, step: 'keep', test, next: this.targets(node, MAIN, before) }
      }
      case 'require': {
        const tests = said.checks.map(check => this.#check(check, before))
        return all(tests) ? { ...base, step: 'require', tests, next: this.targets(node, MAIN, before) } : undefined
      }
      case 'route': {
        const tests = said.cases.map(({ test }) => this.#test(test, before))
        if (!all(tests)) return undefined
        const cases = said.cases.map(({ output }, at) => ({ test: tests[at] as Test, next: this.targets(node, output, before) })) // One for each case.
        return { ...base, step: 'route', cases, otherwise: this.targets(node, said.otherwise ?? MAIN, before) }
      }
      case 'object':
        return this.#makeObject(node, said.fields, before)
      case 'edit':
        return this.#edit(node, said.edits, before)
      case 'look_up':
        return this.#lookUp(node, said, before)
    }
  }

  #test(of: CompiledExpression, document: Document): Test | undefined {
    const { ast } = of.expression
    const resolve = (path: readonly string[]): ReturnType<typeof operandAt> => operandAt(document, path, this.slot)
    return compileTest(ast, resolve) ?? slotTest(of.expression, resolve)
  }

  #check(check: ColumnCheck, document: Document): Test | undefined {
    if (check.check === 'test') return this.#test(check.test, document)
    const origin = originAt(document, check.path)
    if (origin?.kind !== 'raw') return undefined
    const slot = this.slot(origin.path)
    // A field of something that is no object is for the object path: it knows what to say.
    const parents = origin.path.slice(0, -1).map((_, at) => this.slot(origin.path.slice(0, at + 1)))
    return check.check === 'kind' ? checkKind(slot, parents.at(-1), check.kinds, check.optional) : checkRange(slot, check.minimum, check.maximum)
  }

  #origin(value: ColumnValue, document: Document, computes: { compute: Compute; column: number }[]): Origin | undefined {
    if (value.value === 'literal') return { kind: 'literal', json: value.json }
    if (value.value === 'mask') {
      const { path, value: _value, ...op } = value
      const origin = originAt(document, path)
      return origin?.kind === 'raw' ? { kind: 'mask', path: origin.path, op } : undefined
    }
    const { ast } = value.expression.expression
    const path = staticPath(ast)
    if (path !== undefined) return path.length === 0 ? undefined : this.#known(originAt(document, path))
    if (ast.kind === 'literal') return { kind: 'literal', json: JSON.stringify(toJson(typeof ast.value === 'bigint' ? Number(ast.value) : ast.value)) }
    const compute = compileNumber(ast, of => operandAt(document, of, this.slot))
    if (compute === undefined) return undefined
    const column = this.numbers++
    computes.push({ compute, column })
    return { kind: 'number', column }
  }

  /** A column of a table that no stage sets by itself can be copied if every row of the table has it. */
  #known(origin: Origin | undefined): Origin | undefined {
    if (origin?.kind !== 'entry' || origin.column === undefined) return origin
    const { column } = origin
    const lookUp = this.lookUps[origin.lookUp]
    if (lookUp === undefined || lookUp.columns.includes(column)) return origin
    for (const [, row] of lookUp.table.entries()) if (!Object.hasOwn(row, column)) return undefined
    this.lookUps[origin.lookUp] = { ...lookUp, columns: [...lookUp.columns, column] }
    return origin
  }

  #change(node: Node, before: Document, after: Document | undefined, computes: readonly { compute: Compute; column: number }[], lookUp?: number): Step | undefined {
    if (after === undefined) return undefined
    this.#want(after)
    return { node: node.index, before, step: 'change', computes, lookUp, after, next: this.targets(node, MAIN, after) }
  }

  #makeObject(node: Node, said: readonly (readonly [string, ColumnValue])[], before: Document): Step | undefined {
    const computes: { compute: Compute; column: number }[] = []
    const fields: (readonly [string, Origin])[] = []
    for (const [name, value] of said) {
      const origin = this.#origin(value, before, computes)
      if (origin === undefined) return undefined
      fields.push([name, origin])
    }
    return this.#change(node, before, { base: 'object', fields }, computes)
  }

  #edit(node: Node, edits: readonly ColumnEdit[], before: Document): Step | undefined {
    const computes: { compute: Compute; column: number }[] = []
    let after: Document | undefined = before
    for (const edit of edits) {
      if (after === undefined) return undefined
      if (edit.edit !== 'set') {
        after = changed(after, edit.edit === 'remove' ? { change: 'remove', path: edit.path } : { change: 'rename', path: edit.path, key: edit.key })
        continue
      }
      // Values are read as they were before the stage, whatever the order of its edits.
      const origin = this.#origin(edit.value, before, computes)
      after = origin === undefined ? undefined : changed(after, { change: 'set', path: edit.path, origin })
    }
    return this.#change(node, before, after, computes)
  }

  #lookUp(node: Node, said: ColumnStep & { step: 'look_up' }, before: Document): Step | undefined {
    const path = staticPath(said.key.expression.ast)
    const origin = path === undefined || path.length === 0 ? undefined : originAt(before, path)
    if (origin?.kind !== 'raw') return undefined
    const lookUp = this.lookUps.push({ slot: this.slot(origin.path), table: said.table, columns: said.sets.map(({ column }) => column) }) - 1
    let after: Document | undefined = before
    for (const { path: to, column } of said.sets) {
      after = after === undefined ? undefined : changed(after, { change: 'set', path: to, origin: { kind: 'entry', lookUp, column } })
    }
    return this.#change(node, before, after, [], lookUp)
  }
}

function all<T>(items: readonly (T | undefined)[]): items is readonly T[] {
  return items.every(item => item !== undefined)
}
