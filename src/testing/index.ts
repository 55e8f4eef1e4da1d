/**
 * The conformance kit: twenty behaviours that a source, a stage or a sink must have, as tests for `node:test`.
 *
 *     import { connectorConformance } from 'sluice/testing'
 *     connectorConformance({ sink: { declaration: mySink, open: t => ({ config: { ... }, received: () => [...] }) } })
 *
 * Owns: the behaviours, and the pipelines that show them. A component is met by its declaration alone, as the engine meets it.
 */
import { test } from 'node:test'
import { SluiceError, suggest } from '../base/index.ts'
import { BEHAVIOURS, BEHAVIOUR_NAMES } from './behaviours.ts'
import type { Behaviour, SubjectKind } from './behaviours.ts'
import { Bench } from './runs.ts'
import { sinkChecks } from './sink-behaviours.ts'
import { sourceChecks } from './source-behaviours.ts'
import type { Check } from './source-behaviours.ts'
import { stageChecks } from './stage-behaviours.ts'
import type { Conformance } from './subject.ts'

export { BEHAVIOURS, BEHAVIOUR_NAMES } from './behaviours.ts'
export type { Behaviour, SubjectKind } from './behaviours.ts'
export type { Conformance, OutsideEvent, SinkOutside, SinkSubject, SourceOutside, SourceSubject, StageSubject } from './subject.ts'

/** Defines a test for each behaviour that the component's kind has. What is excepted is shown as skipped, with its reason. */
export function connectorConformance(spec: Conformance): void {
  const { except = {} } = spec
  const subjects = subjectsOf(spec)
  if (subjects.length !== 1) throw new SluiceError('CONFIG_VALUE', `connectorConformance takes one of "source", "stage" and "sink", not ${subjects.length}.`)
  for (const name of Object.keys(except)) checkName(name, subjects[0]?.kind ?? 'source')
  for (const { kind, type, checks } of subjects) {
    for (const name of BEHAVIOUR_NAMES) {
      const check = checks[name]
      if (check === undefined) continue
      const title = `${kind} ${type} ${BEHAVIOURS[name].what} (${name})`
      const reason = except[name]
      if (reason !== undefined) test(title, { skip: reason }, () => undefined)
      else test(title, t => check(new Bench(t, spec)))
    }
  }
}

interface Subject {
  readonly kind: SubjectKind
  readonly type: string
  readonly checks: Partial<Record<Behaviour, Check>>
}

function subjectsOf({ source, stage, sink }: Conformance): Subject[] {
  return [
    ...(source === undefined ? [] : [{ kind: 'source' as const, type: source.declaration.type, checks: sourceChecks(source) }]),
    ...(stage === undefined ? [] : [{ kind: 'stage' as const, type: stage.declaration.type, checks: stageChecks(stage) }]),
    ...(sink === undefined ? [] : [{ kind: 'sink' as const, type: sink.declaration.type, checks: sinkChecks(sink) }]),
  ]
}

function checkName(name: string, kind: SubjectKind): void {
  const known = BEHAVIOUR_NAMES.find(one => one === name)
  if (known === undefined) {
    const near = suggest(name, BEHAVIOUR_NAMES)
    throw new SluiceError('CONFIG_VALUE', `"except" names the behaviour "${name}", which does not exist.${near === undefined ? '' : ` Did you mean "${near}"?`}`)
  }
  const { kinds } = BEHAVIOURS[known]
  if (!(kinds as readonly string[]).includes(kind)) throw new SluiceError('CONFIG_VALUE', `"except" names "${name}", which is not asked of a ${kind}.`) // A wider type to look it up in.
}
