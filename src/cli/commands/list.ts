/** `sluice list [KIND [TYPE]]`: the components there are, or the fields of one. */
import type { Command } from 'commander'
import { suggest } from '../../base/index.ts'
import type { Field, FunctionDeclaration } from '../../engine/index.ts'
import { fieldRows, kindText } from '../field-text.ts'
import type { FieldRow } from '../field-text.ts'
import { UsageError } from '../failure.ts'
import { paint } from '../paint.ts'
import type { Paint } from '../paint.ts'
import { addPluginOptions, knownComponents } from '../plugins.ts'
import type { PluginOptions } from '../plugins.ts'
import type { Session } from '../session.ts'

export const KINDS = ['source', 'stage', 'sink', 'codec', 'function'] as const
type Kind = (typeof KINDS)[number]
const PLURALS: Readonly<Record<Kind, string>> = { source: 'sources', stage: 'stages', sink: 'sinks', codec: 'formats', function: 'functions' }

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

interface ListOptions extends PluginOptions {
  readonly json?: boolean
  readonly schema?: boolean
}

export function define(command: Command, session: Session): void {
  addPluginOptions(command
    .argument('[kind]', 'sources, stages, sinks, formats or functions')
    .argument('[type]', 'show the fields of this one')
    .option('--json', 'print the declarations as JSON, with their fields as JSON Schema')
    .option('--schema', 'print the JSON Schema of pipelines, for editors'))
    .addHelpText('after', '\nExamples:\n  sluice list stages\n  sluice list stage filter\n  sluice list sinks --json\n  sluice list --pipeline pipeline.yaml\n  sluice list --plugin ./my-stage.ts --schema > my.schema.json\n')
    .action(async (kind: string | undefined, type: string | undefined, options: ListOptions) => {
      const { registry, brought } = await knownComponents(options, session)
      const { stdout } = session.io
      if (options.schema === true) {
        const { pipelineSchema } = await import('../../pipeline/index.ts')
        return stdout.write(`${JSON.stringify(pipelineSchema(registry), null, 1)}\n`)
      }
      const colors = paint(stdout.colors)
      const kinds = kind === undefined ? KINDS : [kindOf(kind)]
      const all: readonly Listed[] = kinds.flatMap((one): readonly Listed[] => (one === 'function' ? Object.values(registry.functions ?? {}).map(functionAsListed) : registry.all(one)))
      const chosen = type === undefined ? all : [only(all, type, kind)]
      if (options.json === true) stdout.write(`${JSON.stringify(chosen.map(asJson), null, 2)}\n`)
      else if (type === undefined) stdout.write(kinds.filter(one => kind !== undefined || one !== 'function' || all.some(item => item.kind === one)).map(one => overview(one, all.filter(item => item.kind === one), brought, colors)).join('\n'))
      else stdout.write(chosen.map(item => details(item, colors)).join('\n'))
    })
}

/** Singular, plural and `format` are all understood. */
function kindOf(given: string): Kind {
  const words = new Map<string, Kind>(KINDS.flatMap(kind => [[kind, kind], [`${kind}s`, kind], [PLURALS[kind], kind], [PLURALS[kind].slice(0, -1), kind]] as const))
  const kind = words.get(given.toLowerCase())
  if (kind !== undefined) return kind
  const near = suggest(given, words.keys())
  throw new UsageError('CLI_USAGE', `There is no kind "${given}": it is sources, stages, sinks, formats or functions.`, near === undefined ? undefined : `Did you mean "${near}"?`)
}

function only(all: readonly Listed[], type: string, kind: string | undefined): Listed {
  const found = all.find(item => item.type === type)
  if (found !== undefined) return found
  const near = suggest(type, all.map(item => item.type))
  throw new UsageError('CLI_UNKNOWN_COMPONENT', `There is no ${kind === undefined ? 'component' : kindOf(kind)} "${type}".`, near === undefined ? undefined : `Did you mean "${near}"?`)
}

/** A function's parameters stand in the place of a config. */
function functionAsListed({ type, summary, parameters, examples }: FunctionDeclaration): Listed {
  const properties = parameters.map(({ name, type: of, optional, description = '' }) => [name, { ...TYPES[of], description, ...(optional === true ? { 'x-optional': true } : {}) }] as const)
  return { kind: 'function', type, summary, config: { type: 'object', properties: Object.fromEntries(properties) }, ...(examples === undefined ? {} : { examples }) }
}

const TYPES: Readonly<Record<FunctionDeclaration['parameters'][number]['type'], Field<unknown>>> = {
  any: {}, bool: { type: 'boolean' }, string: { type: 'string' }, number: { type: 'number' }, list: { type: 'array' }, map: { type: 'object', additionalProperties: {} },
}

function overview(kind: Kind, items: readonly Listed[], brought: ReadonlySet<string>, colors: Paint): string {
  if (kind === 'function' && items.length === 0) return 'Functions are listed that plug-ins bring; those of the language are in docs/reference/cel.md.\n'
  const width = Math.max(0, ...items.map(item => item.type.length))
  return [colors.bold(PLURALS[kind]), ...items.map(item => `  ${colors.cyan(item.type.padEnd(width))}  ${item.summary}${brought.has(`${item.kind} ${item.type}`) ? colors.dim(' (plug-in)') : ''}`), ''].join('\n')
}

/** The rows of one form of a config; fields whose names are for the user to choose have one for all. */
function rowsOf(config: Field<unknown>): FieldRow[] {
  const { additionalProperties: others, description = '' } = config
  return [...fieldRows(config), ...(typeof others === 'object' ? [{ name: '<name>', kind: kindText(others), needed: 'optional', description }] : [])]
}

function details(item: Listed, colors: Paint): string {
  const rows = (item.config.anyOf ?? [item.config]).flatMap(rowsOf)
  const width = Math.max(0, ...rows.map(row => row.name.length))
  const kindWidth = Math.max(0, ...rows.map(row => row.kind.length))
  const lines = rows.map(({ name, kind, needed, description }) => `  ${colors.cyan(name.padEnd(width))}  ${kind.padEnd(kindWidth)}  ${needed === 'required' ? colors.yellow(needed) : colors.dim(needed)}${description === '' ? '' : `\n  ${' '.repeat(width)}  ${description}`}`)
  const short = item.shorthand === undefined ? [] : ['', `Short form: ${item.type}: <${item.shorthand}>`]
  return [`${colors.bold(item.type)}  ${item.kind === 'codec' ? 'format' : item.kind}: ${item.summary}`, ...(item.description === undefined ? [] : ['', item.description]), '', ...lines, ...short, ''].join('\n')
}

function asJson({ kind, type, summary, description, shorthand, config, examples }: Listed): unknown {
  return { kind: kind === 'codec' ? 'format' : kind, type, summary, description, shorthand, config: withReferences(config, '#', new Map()), examples }
}

/** A schema as JSON can hold it: where it stands inside of itself, it is named by its place (RFC 6901). `around` are the places of those that hold this part. */
function withReferences(part: unknown, place: string, around: ReadonlyMap<unknown, string>): unknown {
  if (typeof part !== 'object' || part === null) return part
  const known = around.get(part)
  if (known !== undefined) return { $ref: known }
  const inside = new Map([...around, [part, place] as const])
  const entry = (name: string, value: unknown): unknown => withReferences(value, `${place}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, inside)
  if (Array.isArray(part)) return part.map((item: unknown, at) => entry(String(at), item))
  return Object.fromEntries(Object.entries(part).map(([name, value]: [string, unknown]) => [name, entry(name, value)]))
}
