/** Keeps the events for which a condition holds. A condition that can't be evaluated, or is no bool, rejects the event. */
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { sameFields } from './origins.ts'
import { holds } from './values.ts'

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
  origins: sameFields,
  create: ({ condition }) => ({
    process: each((event, out) => {
      if (holds(condition, event, 'The condition')) out.emit(event)
      else out.drop(event)
    }),
    columns: () => ({ step: 'keep', test: condition }),
  }),
}) as StageDeclaration // A stage of one config is a stage.
