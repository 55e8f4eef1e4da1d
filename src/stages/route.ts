/**
 * Sends each event to the first output whose condition holds.
 *
 * Outputs are named in `from: stage.output`. `else` takes what no condition takes; without it such events go on as the stage's main output.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { holds } from './values.ts'

const CONFIG = field.record(field.either([field.expression({ expect: 'bool' }), field.boolean()]), {
  description: 'Name of each output, with its condition, in order; `else: true` takes the rest',
})

export const route: StageDeclaration = defineStage({
  type: 'route',
  summary: 'Send each event to the first output whose condition holds',
  config: CONFIG,
  outputs: config => Object.keys(config),
  examples: [{ title: 'Late and other flights', config: { late: 'event.delay > 60', else: true }, input: [{ delay: 5 }, { delay: 90 }] }],
  create: config => {
    const { else: other } = config
    if (other !== undefined && (typeof other === 'function' ? other.expression.source.trim() !== 'true' : !other)) throw new SluiceError('CONFIG_VALUE', 'route: "else" takes what no condition takes, so it can only be true.')
    // `else` takes the rest wherever it stands. In YAML its `true` comes as an expression.
    const takesRest = (output: string, test: unknown): boolean => output === 'else' || test === true
    const cases = Object.entries(config).flatMap(([output, test]) => (typeof test === 'function' && !takesRest(output, test) ? [{ output, test }] : []))
    const rest = Object.entries(config).find(([output, test]) => takesRest(output, test))?.[0]
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
