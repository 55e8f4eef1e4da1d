/**
 * What the `sluice` command starts: reads the arguments and sets the exit code.
 *
 * Running this file is its purpose, so it does so when loaded; everything else of the command line is imported from here, when first needed.
 */
import { readFileSync } from 'node:fs'

const args = process.argv.slice(2)

/** The version stands in the package's own description, two folders up both in the source and in the built package. */
function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string } // Our own file.
  return version
}

if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`${version()}\n`)
} else {
  const [{ runProgram }, { systemIo }] = await Promise.all([import('./program.ts'), import('./io.ts')])
  // Node ends a program in which nothing is left to wait for, also in the middle of a run: that must never look like success.
  const stalled = (): void => {
    process.stderr.write('error INTERNAL  The run stopped without an end: something was waited for that never came.\n')
    process.exitCode = 1
  }
  process.once('beforeExit', stalled)
  process.exitCode = await runProgram(args, systemIo(), version())
  process.off('beforeExit', stalled)
}
