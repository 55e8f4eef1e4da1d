/** A stage of a plug-in with memory: how many events of its device came before, and their sum. */
import { defineStage, field } from '../../src/engine/index.ts'
import type { StageDeclaration } from '../../src/engine/index.ts'

interface Tally {
  readonly count: number
  readonly sum: number
}

export const tally: StageDeclaration = defineStage({
  type: 'test_tally',
  summary: 'Count and add up by device',
  config: field.object({}),
  memory: 'keyed',
  create: (_config, { state }) => {
    const table = state.table<Tally>('devices', { keysMax: 1000 })
    return {
      process: (some, out) => {
        for (const event of some) {
          const { n, device } = event.value as { readonly n?: unknown; readonly device?: unknown } // Whatever it is, it is looked at first.
          if (typeof n !== 'number' || typeof device !== 'string') {
            out.reject(event, new TypeError('needs a number "n" and a text "device"'))
            continue
          }
          const { count, sum } = table.get(device) ?? { count: 0, sum: 0 }
          table.set(device, { count: count + 1, sum: sum + n })
          event.replace({ n, device, count: count + 1, sum: sum + n })
          out.emit(event)
        }
      },
    }
  },
})
