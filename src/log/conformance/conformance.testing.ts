/**
 * What every log must do, whatever it is made of. Each adapter runs this suite:
 *
 *     conformance('embedded, in memory', async ({ clock }) => ({ log: await openLog(...), close: ... }))
 *
 * It knows the port only. What an adapter says in `features` that it can't do is skipped, with the reason.
 */
import { describe, test } from 'node:test'
import { admin } from './admin.testing.ts'
import { closing } from './closing.testing.ts'
import { consuming } from './consuming.testing.ts'
import { groups } from './groups.testing.ts'
import { producing } from './producing.testing.ts'
import { transactions } from './transactions.testing.ts'
import { Trial } from './trial.testing.ts'
import type { MakeLog, Say } from './trial.testing.ts'

export type { MakeLog, MakeLogOptions, TestedLog } from './trial.testing.ts'

const CHAPTERS = { admin, producing, consuming, groups, transactions, closing }

export function conformance(name: string, makeLog: MakeLog): void {
  describe(`the log ${name}`, () => {
    for (const [chapter, tests] of Object.entries(CHAPTERS)) describe(chapter, () => tests(sayer(makeLog)))
  })
}

function sayer(makeLog: MakeLog): Say {
  return (name, body, { clock, needs } = {}) => {
    test(name, async t => {
      const tested = await makeLog({ clock: clock ?? 'real' })
      try {
        if (needs?.(tested.log) === false) return t.skip(`${tested.log.features.name} does not have this`)
        if (clock === 'simulated' && tested.advance === undefined) return t.skip('the time of this log can\'t be moved')
        await body(new Trial(tested), t)
      } finally {
        await tested.close()
      }
    })
  }
}
