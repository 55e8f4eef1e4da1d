/** `sluice test FILE...`: runs the config tests of pipelines. */
import type { Command } from 'commander'
import { UsageError } from '../failure.ts'
import type { Session } from '../session.ts'

export function define(command: Command, _session: Session): void {
  command.argument('<files...>', 'the pipelines').action(() => {
    throw new UsageError('CLI_USAGE', 'not yet')
  })
}
