/** Keeps the events for which a condition holds. A condition that can't be evaluated, or is no bool, rejects the event. */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'

export const filter: StageDeclaration = defineStage({
  type: 'filter',
  summary: 'Keep the events for which a condition holds',
  config: field.object({ condition: field.expression({ expect: 'bool', description: 'What must hold for an event to stay' }) }),
  shorthand: 'condition',
  examples: [
    {
      title: 'Keep late flights',
      config: 'event.delay > 60',
      input: [{ flight: 'A1', delay: 75 }, { flight: 'B2', delay: 5 }],
      output: [{ flight: 'A1', delay: 75 }],
    },
  ],
  create: ({ condition }) => ({
    process: each((event, out) => {
      const answer = condition(event)
      if (answer === true) out.emit(event)
      else if (answer === false) out.drop(event)
      else throw new SluiceError('EXPR_TYPE', `The condition must be true or false; it is ${JSON.stringify(answer)}.`)
    }),
    columns: () => ({ step: 'keep', test: condition }),
  }),
}) as StageDeclaration // A stage of one config is a stage.
