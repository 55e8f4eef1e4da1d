/** `sluice list [KIND [TYPE]]`: the components there are, or the fields of one. */
import type { Command } from 'commander'
import { suggest } from '../../base/index.ts'
import type { Field } from '../../engine/index.ts'
import { fieldRows } from '../field-text.ts'
import { UsageError } from '../failure.ts'
import { paint } from '../paint.ts'
import type { Paint } from '../paint.ts'
import type { Session } from '../session.ts'

export const KINDS = ['source', 'stage', 'sink', 'codec'] as const
type Kind = (typeof KINDS)[number]
const PLURALS: Readonly<Record<Kind, string>> = { source: 'sources', stage: 'stages', sink: 'sinks', codec: 'formats' }

/** The part of a declaration that is told. */
interface Listed {
  readonly kind: string
  readonly type: string
  readonly summary: string
  readonly description?: string
  readonly config: Field<unknown>
  readonly shorthand?: string
  readonly examples?: readonly unknown[]
}

export function define(command: Command, session: Session): void {
  command
    .argument('[kind]', 'sources, stages, sinks or formats')
    .argument('[type]', 'show the fields of this one')
    .option('--json', 'print the declarations as JSON, with their fields as JSON Schema')
    .addHelpText('after', '\nExamples:\n  sluice list stages\n  sluice list stage filter\n  sluice list sinks --json\n')
    .action(async (kind: string | undefined, type: string | undefined, options: { readonly json?: boolean }) => {
      const { registry } = await import('../../registry.ts')
      const { stdout } = session.io
      const colors = paint(stdout.colors)
      const kinds = kind === undefined ? KINDS : [kindOf(kind)]
      const all: readonly Listed[] = kinds.flatMap(one => [...registry.all(one)])
      const chosen = type === undefined ? all : [only(all, type, kind)]
      if (options.json === true) stdout.write(`${JSON.stringify(chosen.map(asJson), null, 2)}\n`)
      else if (type === undefined) stdout.write(kinds.map(one => overview(one, all.filter(item => item.kind === one), colors)).join('\n'))
      else stdout.write(chosen.map(item => details(item, colors)).join('\n'))
    })
}

/** Singular, plural and `format` are all understood. */
function kindOf(given: string): Kind {
  const words = new Map<string, Kind>(KINDS.flatMap(kind => [[kind, kind], [`${kind}s`, kind], [PLURALS[kind], kind], [PLURALS[kind].slice(0, -1), kind]] as const))
  const kind = words.get(given.toLowerCase())
  if (kind !== undefined) return kind
  const near = suggest(given, words.keys())
  throw new UsageError('CLI_USAGE', `There is no kind "${given}": it is sources, stages, sinks or formats.`, near === undefined ? undefined : `Did you mean "${near}"?`)
}

function only(all: readonly Listed[], type: string, kind: string | undefined): Listed {
  const found = all.find(item => item.type === type)
  if (found !== undefined) return found
  const near = suggest(type, all.map(item => item.type))
  throw new UsageError('CLI_UNKNOWN_COMPONENT', `There is no ${kind === undefined ? 'component' : kindOf(kind)} "${type}".`, near === undefined ? undefined : `Did you mean "${near}"?`)
}

function overview(kind: Kind, items: readonly Listed[], colors: Paint): string {
  const width = Math.max(0, ...items.map(item => item.type.length))
  return [colors.bold(PLURALS[kind]), ...items.map(item => `  ${colors.cyan(item.type.padEnd(width))}  ${item.summary}`), ''].join('\n')
}

function details(item: Listed, colors: Paint): string {
  const rows = fieldRows(item.config)
  const width = Math.max(0, ...rows.map(row => row.name.length))
  const kindWidth = Math.max(0, ...rows.map(row => row.kind.length))
  const lines = rows.map(({ name, kind, needed, description }) => `  ${colors.cyan(name.padEnd(width))}  ${kind.padEnd(kindWidth)}  ${needed === 'required' ? colors.yellow(needed) : colors.dim(needed)}${description === '' ? '' : `\n  ${' '.repeat(width)}  ${description}`}`)
  const short = item.shorthand === undefined ? [] : ['', `Short form: ${item.type}: <${item.shorthand}>`]
  return [`${colors.bold(item.type)}  ${item.kind === 'codec' ? 'format' : item.kind}: ${item.summary}`, ...(item.description === undefined ? [] : ['', item.description]), '', ...lines, ...short, ''].join('\n')
}

function asJson({ kind, type, summary, description, shorthand, config, examples }: Listed): unknown {
  return { kind: kind === 'codec' ? 'format' : kind, type, summary, description, shorthand, config, examples }
}
