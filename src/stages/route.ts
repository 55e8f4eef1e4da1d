/**
 * Sends each event to the first output whose condition holds.
 *
 * Outputs are named in `from: stage.output`. `else` takes what no condition takes; without it such events go on as the stage's main output.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { CompiledExpression, Field, StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { sameFields } from './origins.ts'
import { holds } from './values.ts'

type Condition = CompiledExpression | boolean
type Conditions = Readonly<Record<string, Condition>>

const CONDITION: Field<Condition> = field.either([field.expression({ expect: 'bool' }), field.boolean()])
const ELSE_TEXT = 'Name of the output that takes what no condition takes; `true` for one that is called `else`'
const CONFIG: Field<Readonly<Record<string, Conditions | Condition | string | undefined>>> = {
  ...field.object({
    outputs: field.optional(field.either([CONDITION, field.record(CONDITION)], { description: 'Name of each output, with its condition, in order. They may also stand beside `else`, without `outputs`' })),
    else: field.optional(field.either([field.boolean(), field.string()], { description: ELSE_TEXT })),
  }),
  // Outputs that stand beside `else`.
  additionalProperties: CONDITION,
}

/** The conditions of a config, wherever they stand: under `outputs`, or beside `else`. An output may itself be called `outputs`. */
function conditionsOf(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { else: _rest, ...beside } = config
  const { outputs, ...others } = beside
  if (typeof outputs !== 'object' || outputs === null) return beside
  const [stray] = Object.keys(others)
  if (stray !== undefined) throw new SluiceError('CONFIG_VALUE', `route: "${stray}" stands beside "outputs". Put all conditions under "outputs", or none.`)
  return outputs as Readonly<Record<string, unknown>> // A map, by the declaration.
}

/** The output that takes the rest, if `else` names one. Throws CONFIG_VALUE for what is no name. */
function elseOf(given: unknown): string | undefined {
  if (given === undefined) return undefined
  if (given === true || given === 'true') return 'else'
  if (typeof given === 'string' && /^[A-Za-z_][\w-]*$/.test(given) && given !== 'false') return given
  throw new SluiceError('CONFIG_VALUE', `route: "else" takes what no condition takes, so it is the name of an output, or true; it is ${JSON.stringify(given)}.`)
}

export const route: StageDeclaration = defineStage({
  type: 'route',
  summary: 'Send each event to the first output whose condition holds',
  description:
    'The next stages and sinks name an output in `from`: `from: [delays.late]`. `else` takes what no condition takes, under the name that it gives; without `else` such events go on by the main output of the stage (`from: [delays]`). ' +
    'An output whose condition is `true` takes all that comes to it.',
  config: CONFIG,
  outputs: config => {
    const rest = elseOf(config['else'])
    return [...new Set([...Object.keys(conditionsOf(config)), ...(rest === undefined ? [] : [rest])])]
  },
  examples: [
    { title: 'Late, early and other flights', config: { outputs: { late: 'event.delay > 15', early: 'event.delay < 0' }, else: 'ontime' }, input: [{ delay: 5 }, { delay: 90 }, { delay: -3 }] },
    { title: 'Two outputs, in short', config: { late: 'event.delay > 60', else: true }, input: [{ delay: 5 }, { delay: 90 }] },
  ],
  origins: sameFields,
  create: config => {
    const conditions = Object.entries(conditionsOf(config) as Conditions) // Prepared by the declaration.
    if (conditions.length === 0) throw new SluiceError('CONFIG_VALUE', 'route: it needs an output with a condition, such as late: event.delay > 15.')
    // Behind a condition that is simply true nothing comes any more.
    const end = conditions.findIndex(([, test]) => test === true)
    const cases = conditions.slice(0, end < 0 ? undefined : end).flatMap(([output, test]) => (typeof test === 'function' ? [{ output, test }] : []))
    const rest = end < 0 ? elseOf(config['else']) : conditions[end]?.[0]
    return {
      process: each((event, out) => {
        for (const { output, test } of cases) {
          if (holds(test, event, `The condition of "${output}"`)) return out.to(output, event)
        }
        if (rest === undefined) out.emit(event)
        else out.to(rest, event)
      }),
      columns: () => ({ step: 'route', cases, otherwise: rest }),
    }
  },
}) as StageDeclaration // A stage of one config is a stage.
