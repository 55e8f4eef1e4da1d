/** `sluice probe FILE`: tests every connection of a pipeline at once, reads and writes nothing, and says what is wrong. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { parseDuration } from '../../base/index.ts'
import type { PipelineConfig, Registry } from '../../engine/index.ts'
import { diagnosticPaint } from '../diagnostic-paint.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import { loadForCommand } from '../load.ts'
import { paint } from '../paint.ts'
import { messagesTo } from '../session.ts'
import type { Session } from '../session.ts'
import { collectSettings } from '../settings.ts'
import type { Settings } from '../settings.ts'

/** Milliseconds. */
const DEADLINE = 15_000

interface ProbeOptions {
  readonly set: Settings
  readonly timeout?: number
}

export function define(command: Command, session: Session): void {
  command
    .argument('<file>', 'the pipeline')
    .addOption(new Option('-t, --timeout <duration>', 'longest wait for all answers (default 15s)').argParser(durationOf))
    .option('-s, --set <key=value>', 'set a value of the pipeline; may be repeated', collectSettings, {})
    .addHelpText('after', '\nNothing is read, written or created, and no group is joined. Exits with 1 if a connection fails.\n\nExamples:\n  sluice probe pipeline.yaml\n  sluice probe pipeline.yaml --timeout 3s\n')
    .action(async (file: string, options: ProbeOptions) => {
      session.exitCode = await probeCommand(file, options, session)
    })
}

function durationOf(text: string): number {
  const duration = parseDuration(text)
  if (duration === undefined || duration === 0) throw new UsageError('CLI_USAGE', `--timeout takes a duration such as 500ms, 10s or 1m, not "${text}".`)
  return duration
}

async function probeCommand(file: string, { set, timeout = DEADLINE }: ProbeOptions, session: Session): Promise<ExitCode> {
  const { io } = session
  const { renderDiagnostics } = await import('../../pipeline/index.ts')
  const loaded = await loadForCommand(file, session, { overrides: set })
  if (loaded.diagnostics.length > 0) io.stderr.write(renderDiagnostics(loaded.diagnostics, diagnosticPaint(io.stderr.colors)))
  if (loaded.config === undefined) return EXIT.usage
  return tellConnections(loaded.config, loaded.registry, session, timeout)
}

/** Tests the connections of a pipeline and tells what is wrong with them; `timeout` in milliseconds. */
export async function tellConnections(config: PipelineConfig, registry: Registry, { io }: Session, timeout = DEADLINE): Promise<ExitCode> {
  const [{ probePipeline }, { hasFailed, probeText }] = await Promise.all([import('../probe/probing.ts'), import('../probe/probe-text.ts')])
  const messages = messagesTo(io)
  const probed = await probePipeline(config, registry, timeout, (place, message) => messages.warn(`${place}: ${message}`))
  io.stdout.write(probeText(probed, timeout, paint(io.stdout.colors)))
  const code = hasFailed(probed) ? EXIT.failed : EXIT.done
  // A connection that is still being made would keep the process.
  if (probed.some(({ outcome }) => outcome === 'late')) io.exit(code)
  return code
}
