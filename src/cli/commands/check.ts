/** `sluice check FILE...`: finds everything that is wrong with pipelines without running them. What it finds is its data and goes to standard output. */
import { Option, type Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import { diagnosticPaint } from '../diagnostic-paint.ts'
import { counted } from '../numbers.ts'
import { paint } from '../paint.ts'
import type { Session } from '../session.ts'
import { collectSettings } from '../settings.ts'
import type { Settings } from '../settings.ts'

interface CheckOptions {
  readonly format: 'text' | 'json'
  readonly set: Settings
}

export function define(command: Command, session: Session): void {
  command
    .argument('<files...>', 'the pipelines')
    .addOption(new Option('--format <format>', 'how problems are printed').choices(['text', 'json']).default('text'))
    .option('-s, --set <key=value>', 'set a value of the pipeline; may be repeated', collectSettings, {})
    .action((files: readonly string[], options: CheckOptions) => check(files, options, session))
}

async function check(files: readonly string[], options: CheckOptions, session: Session): Promise<void> {
  const { io } = session
  const [{ loadForCommand }, { renderDiagnostics }] = await Promise.all([import('../load.ts'), import('../../pipeline/index.ts')])
  const loaded = []
  for (const file of files) loaded.push(await loadForCommand(file, session, { overrides: options.set, withTests: true }))
  const diagnostics = loaded.flatMap(one => one.diagnostics)
  const errors = diagnostics.filter(one => one.severity === 'error').length
  const warnings = diagnostics.length - errors
  session.exitCode = errors > 0 ? EXIT.usage : EXIT.done
  if (options.format === 'json') return io.stdout.write(`${JSON.stringify({ ok: errors === 0, errors, warnings, diagnostics }, null, 2)}\n`)
  if (diagnostics.length > 0) io.stdout.write(`${renderDiagnostics(diagnostics, diagnosticPaint(io.stdout.colors))}\n`)
  const colors = paint(io.stderr.colors)
  const found = [...(errors > 0 ? [colors.red(counted(errors, 'error'))] : []), ...(warnings > 0 ? [colors.yellow(counted(warnings, 'warning'))] : [])]
  const about = loaded.flatMap(({ config }) => (config === undefined ? [] : [`${config.name}: ${counted(config.sources.length, 'source')}, ${counted(config.stages.length, 'stage')}, ${counted(config.sinks.length, 'sink')}`]))
  io.stderr.write(found.length > 0 ? `${found.join(', ')}\n` : about.map(text => `${colors.green('ok')}  ${text}\n`).join(''))
}
