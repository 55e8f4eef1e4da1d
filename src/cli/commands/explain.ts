/** `sluice explain CODE`: what an error means and what to do. */
import type { Command } from 'commander'
import { ERRORS, suggest } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { UsageError, isErrorCode } from '../failure.ts'
import { paint } from '../paint.ts'
import type { Paint } from '../paint.ts'
import type { Session } from '../session.ts'

export function define(command: Command, session: Session): void {
  command.argument('[code]', 'the code; without it all codes are listed').action((code: string | undefined) => {
    const { stdout } = session.io
    const colors = paint(stdout.colors)
    stdout.write(code === undefined ? allCodes(colors) : explanation(code, colors))
  })
}

function explanation(given: string, colors: Paint): string {
  const code = given.toUpperCase()
  if (!isErrorCode(code)) {
    const near = suggest(code, Object.keys(ERRORS))
    throw new UsageError('CLI_UNKNOWN_CODE', `There is no error code "${given}".`, near === undefined ? undefined : `Did you mean ${near}?`)
  }
  const { what, why, cure, retry } = ERRORS[code]
  const again = retry ? 'The same call may succeed later; Sluice tries it again.' : 'Trying the same again will not help.'
  return [
    colors.bold(code),
    `  ${what}`,
    '',
    `  ${colors.dim('why')}    ${why}`,
    `  ${colors.dim('cure')}   ${cure}`,
    `  ${colors.dim('again')}  ${again}`,
    '',
  ].join('\n')
}

function allCodes(colors: Paint): string {
  const codes = Object.keys(ERRORS).filter((code): code is ErrorCode => isErrorCode(code)).sort()
  const width = Math.max(...codes.map(code => code.length))
  return codes.map(code => `${colors.bold(code.padEnd(width))}  ${ERRORS[code].what}\n`).join('')
}
