/** The reference page of the command line, made from the program itself. */
import type { Command, Option } from 'commander'
import type { Io } from '../../src/cli/io.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { newSession } from '../../src/cli/session.ts'
import { cell, fence } from './component-page.ts'

const silent = { write: (): void => {}, isTerminal: false, columns: 100, colors: false }
const io: Io = { stdout: silent, stderr: silent, readStdin: () => '', stdin: (async function* () {})(), output: () => Promise.resolve(true), env: {}, folder: '.', onSignal: () => () => {}, onHangup: () => () => {}, exit: () => {} }

export async function cliPage(): Promise<string> {
  const program = await buildProgram(newSession(io, '0.0.0'), () => true)
  const parts = [
    '# The command',
    'Standard output carries data only; progress and messages go to standard error. `NO_COLOR` and `FORCE_COLOR` are respected.',
    '| exit code | meaning |\n| --- | --- |\n| 0 | done |\n| 1 | failed while running |\n| 2 | wrong config or usage |\n| 3 | finished with dead letters, with `--fail-on-dead-letters` |',
    ...program.commands.filter(command => command.name() !== 'help').flatMap(command => commandText(command)),
  ]
  return `${parts.join('\n\n')}\n`
}

/** A command that is made of others has a part for each of them. */
function commandText(command: Command, parent = 'sluice'): string[] {
  const help = command.createHelp()
  const name = `${parent} ${command.name()}`
  const inner = command.commands.filter(each => each.name() !== 'help')
  const parts = [`${parent === 'sluice' ? '##' : '###'} ${name}`, command.description(), ...(inner.length > 0 ? [] : [fence('text', help.commandUsage(command))])]
  if (inner.length > 0) return [...parts, ...inner.flatMap(each => commandText(each, name))]
  const rows = [
    ...command.registeredArguments.map(argument => `| \`${argument.required ? `<${argument.name()}>` : `[${argument.name()}]`}\` | ${cell(argument.description)} |`),
    ...help.visibleOptions(command).map(option => `| \`${cell(option.flags)}\` | ${cell(optionText(option))} |`),
  ]
  parts.push(['| argument or option | what it is |', '| --- | --- |', ...rows].join('\n'))
  return parts
}

function optionText({ description, argChoices, defaultValue }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.map(choice => `\`${choice}\``).join(', ')}`
  const plain = typeof defaultValue === 'string' || typeof defaultValue === 'number' ? ` (default \`${defaultValue}\`)` : ''
  return `${description}${choices}${plain}`
}
