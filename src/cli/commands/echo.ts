/** `sluice echo FILE`: the pipeline as it was understood, each value with its origin and secrets hidden. */
import type { Command } from 'commander'
import { diagnosticPaint } from '../diagnostic-paint.ts'
import { EXIT } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { collectSettings } from '../settings.ts'
import type { Settings } from '../settings.ts'

export function define(command: Command, session: Session): void {
  command
    .argument('<file>', 'the pipeline')
    .option('-s, --set <key=value>', 'set a value of the pipeline; may be repeated', collectSettings, {})
    .action(async (file: string, options: { readonly set: Settings }) => {
      const { io } = session
      const [{ loadForCommand }, { echoPipeline, renderDiagnostics }] = await Promise.all([import('../load.ts'), import('../../pipeline/index.ts')])
      const loaded = await loadForCommand(file, session, { overrides: options.set })
      io.stdout.write(echoPipeline(loaded))
      if (loaded.diagnostics.length > 0) io.stderr.write(renderDiagnostics(loaded.diagnostics, diagnosticPaint(io.stderr.colors)))
      if (loaded.config === undefined) session.exitCode = EXIT.usage
    })
}
