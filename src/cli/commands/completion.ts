/** `sluice completion SHELL`: a script that completes commands, options and their values. Made from the commands themselves. */
import { Argument, type Command } from 'commander'
import { ERRORS } from '../../base/index.ts'
import type { Session } from '../session.ts'
import { KINDS } from './list.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

const INSTALL: Readonly<Record<Shell, string>> = {
  bash: 'source <(sluice completion bash)   # in ~/.bashrc',
  zsh: 'source <(sluice completion zsh)    # in ~/.zshrc, after compinit',
  fish: 'sluice completion fish | source    # in ~/.config/fish/config.fish',
}

/** One command as a completion sees it. */
interface Completed {
  readonly name: string
  readonly summary: string
  readonly options: readonly { readonly name: string; readonly description: string }[]
  /** Words that may stand where others take files. */
  readonly words: readonly string[]
}

export function define(command: Command, session: Session): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', `\nInstall:\n${SHELLS.map(shell => `  ${INSTALL[shell]}`).join('\n')}\n`)
    .action(async (shell: Shell) => {
      const { buildProgram } = await import('../program.ts')
      const program = await buildProgram(session, () => true)
      session.io.stdout.write(SCRIPTS[shell](program.commands.map(completed)))
    })
}

function completed(command: Command): Completed {
  const options = command.createHelp().visibleOptions(command).flatMap(({ long, description }) => (long === undefined || long === null ? [] : [{ name: long, description }]))
  return { name: command.name(), summary: command.summary(), options, words: WORDS[command.name()] ?? [] }
}

const WORDS: Readonly<Record<string, readonly string[]>> = {
  list: KINDS.map(kind => (kind === 'codec' ? 'formats' : `${kind}s`)),
  create: ['plugin'],
  explain: Object.keys(ERRORS),
  completion: SHELLS,
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Completed[]) => string>> = { bash, zsh, fish }

function bash(commands: readonly Completed[]): string {
  const cases = commands.map(({ name, options, words }) => `    ${name}) options='${options.map(option => option.name).join(' ')}' words='${words.join(' ')}' ;;`)
  return `# ${INSTALL.bash}
_sluice() {
  local current="\${COMP_WORDS[COMP_CWORD]}" options='' words=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(command => command.name).join(' ')} help --help --version' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _sluice sluice
`
}

/** Inside single quotes of sh and fish. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

function zsh(commands: readonly Completed[]): string {
  // In a description, `:` would end it for _describe, and brackets end it for _arguments.
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(':', String.raw`\:`)}`)}`)
  const cases = commands.map(({ name, options, words }) => {
    const specs = options.map(option => quoted(`${option.name}[${option.description.replaceAll(/[[\]]/g, '')}]`))
    const rest = words.length === 0 ? "'*:file:_files'" : quoted(`*:value:(${words.join(' ')})`)
    return `    ${name}) _arguments ${[...specs, rest].join(' ')} ;;`
  })
  return `#compdef sluice
# ${INSTALL.zsh}
_sluice() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local name="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$name" in
${cases.join('\n')}
  esac
}
compdef _sluice sluice
`
}

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, summary, options, words }) => [
    `complete -c sluice -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...options.map(option => `complete -c sluice -n '__fish_seen_subcommand_from ${name}' -l ${option.name.slice(2)} -d ${quoted(option.description)}`),
    ...(words.length === 0 ? [] : [`complete -c sluice -n '__fish_seen_subcommand_from ${name}' -f -a ${quoted(words.join(' '))}`]),
  ])
  return `# ${INSTALL.fish}\n${lines.join('\n')}\n`
}
