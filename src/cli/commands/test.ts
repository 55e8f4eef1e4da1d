/** `sluice test FILE...`: runs the config tests of pipelines: events in, what is expected per sink. The results are its data and go to standard output. */
import { Option, type Command } from 'commander'
import type { LoadResult, TestResult } from '../../pipeline/index.ts'
import { diagnosticPaint } from '../diagnostic-paint.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failure.ts'
import { counted } from '../numbers.ts'
import { paint } from '../paint.ts'
import { messagesTo } from '../session.ts'
import type { Session } from '../session.ts'
import { collectSettings } from '../settings.ts'
import type { Settings } from '../settings.ts'

interface TestOptions {
  readonly filter?: string
  readonly format: 'text' | 'json'
  readonly set: Settings
}

export function define(command: Command, session: Session): void {
  command
    .argument('<files...>', 'the pipelines; the tests stand in them, or beside NAME.yaml in NAME.test.yaml')
    .option('-f, --filter <text>', 'run only the tests whose name holds this text')
    .addOption(new Option('--format <format>', 'how results are printed').choices(['text', 'json']).default('text'))
    .option('-s, --set <key=value>', 'set a value of the pipeline; may be repeated', collectSettings, {})
    .action((files: readonly string[], options: TestOptions) => testCommand(files, options, session))
}

async function testCommand(files: readonly string[], options: TestOptions, session: Session): Promise<void> {
  const { io } = session
  const { renderTestResult, runConfigTests } = await import('../../pipeline/index.ts')
  const loaded = await loadAll(files, options, session)
  if (loaded === undefined) return
  const text = options.format === 'text'
  const results: TestResult[] = []
  for (const one of loaded) {
    const made = await runConfigTests(one, {
      ...(options.filter === undefined ? {} : { filter: options.filter }),
      onResult: result => text && io.stdout.write(renderTestResult(result)),
    })
    results.push(...made)
  }
  if (results.length === 0 && options.filter !== undefined) throw new UsageError('CLI_USAGE', `No test has "${options.filter}" in its name.`)
  const failed = results.filter(result => !result.passed).length
  if (failed > 0) session.exitCode = EXIT.failed
  if (!text) return io.stdout.write(`${JSON.stringify({ ok: failed === 0, passed: results.length - failed, failed, results }, null, 2)}\n`)
  const colors = paint(io.stderr.colors)
  const passed = colors.green(`${counted(results.length - failed, 'test')} passed`)
  io.stderr.write(`${failed === 0 ? passed : `${passed}, ${colors.red(`${failed} failed`)}`}\n`)
}

function withoutTests(file: string): string {
  const yaml = /^(.*)\.ya?ml$/.exec(file)
  return yaml === null ? `${file} has no tests: they are for pipelines in YAML.` : `${file} has no tests. Write them beside it: ${yaml[1] ?? ''}.test.yaml`
}

/** All pipelines, or undefined where one has errors, which are then told. */
async function loadAll(files: readonly string[], options: TestOptions, session: Session): Promise<readonly LoadResult[] | undefined> {
  const { io } = session
  const [{ loadForCommand }, { renderDiagnostics }] = await Promise.all([import('../load.ts'), import('../../pipeline/index.ts')])
  const loaded: LoadResult[] = []
  for (const file of files) {
    const one = await loadForCommand(file, session, { overrides: options.set, withTests: true })
    if (one.config !== undefined && one.tests.length === 0) messagesTo(io).warn(withoutTests(file))
    loaded.push(one)
  }
  const errors = loaded.filter(one => one.config === undefined).flatMap(one => one.diagnostics)
  if (errors.length === 0) return loaded
  io.stderr.write(renderDiagnostics(errors, diagnosticPaint(io.stderr.colors)))
  session.exitCode = EXIT.usage
  return undefined
}
