/** `sluice create file/filter,map/file`: a pipeline of the given components, with every field explained. `sluice create plugin NAME`: a package with a plug-in. */
import { existsSync, writeFileSync } from 'node:fs'
import { basename, dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { suggest } from '../../base/index.ts'
import type { Registry } from '../../engine/index.ts'
import { UsageError } from '../failure.ts'
import { addPluginOptions, knownComponents } from '../plugins.ts'
import type { PluginOptions } from '../plugins.ts'
import { commentedConfig, sampleConfig } from '../sample-config.ts'
import type { Sampled, WriteYaml } from '../sample-config.ts'
import type { Session } from '../session.ts'

interface CreateOptions extends PluginOptions {
  readonly output?: string
  readonly force?: boolean
}

export function define(command: Command, session: Session): void {
  addPluginOptions(command
    .argument('<shape>', 'sources/stages/sinks, each a list with commas; stages may be left out: file//stdout. Or `plugin`')
    .argument('[name]', 'name and folder of the plug-in')
    .option('-o, --output <file>', 'write to this file instead of standard output')
    .option('--force', 'overwrite the file'))
    .addHelpText('after', '\nExamples:\n  sluice create file/filter,map/file > pipeline.yaml\n  sluice create generate/validate,enrich/file,stdout -o pipeline.yaml\n  sluice create plugin my-stages\n')
    .action(async (shape: string, name: string | undefined, options: CreateOptions) => {
      if (shape === 'plugin') return createPlugin(name, session)
      if (name !== undefined) throw new UsageError('CLI_USAGE', `"${name}" is one word too many: a pipeline is one word of the form sources/stages/sinks.`, 'Only a plug-in has a name: sluice create plugin NAME.')
      const [{ registry }, yaml] = await Promise.all([knownComponents(options, session), import('yaml')])
      const { folder } = session.io
      const target = options.output === undefined ? undefined : resolve(folder, options.output)
      const text = createPipeline(shape, registry, yamlWriter(yaml), schemaPath(target === undefined ? folder : dirname(target)), pluginsSeenFrom(target === undefined ? folder : dirname(target), options.plugin, folder))
      if (target === undefined) return session.io.stdout.write(text)
      if (existsSync(target) && options.force !== true) throw new UsageError('CLI_FILE_EXISTS', `${options.output} is there already.`)
      writeFileSync(target, text)
      session.io.stderr.write(`Wrote ${options.output}. Next: sluice check ${options.output}\n`)
    })
}

async function createPlugin(given: string | undefined, session: Session): Promise<void> {
  const [{ PLUGIN_NAME, pluginFiles, pluginNames }, { writeFiles }] = await Promise.all([import('../plugin-files.ts'), import('../new-files.ts')])
  if (given === undefined) throw new UsageError('CLI_USAGE', 'A plug-in needs a name.', 'For example: sluice create plugin my-stages')
  const { folder } = session.io
  const path = resolve(folder, given)
  const name = basename(path)
  if (!PLUGIN_NAME.test(name)) throw new UsageError('CLI_USAGE', `"${name}" is no name for a package: small letters, digits and dashes, a letter first.`)
  const files = pluginFiles(pluginNames(name, session.version))
  writeFiles(path, files)
  const shown = relative(folder, path)
  session.io.stderr.write([`Wrote to ${shown}:`, ...Object.keys(files).map(file => `  ${file}`), '', 'Next:', `  cd ${shown}`, '  npm install', '  npm test', '  npx sluice run pipeline.yaml', ''].join('\n'))
}

/** Writes YAML with short lists on one line, as people write them. */
export function yamlWriter({ Document, isScalar, isSeq, visit }: typeof import('yaml')): WriteYaml {
  return (key, value) => {
    const document = new Document({ [key]: value })
    visit(document, (_key, node) => {
      if (isSeq(node) && node.items.every(item => isScalar(item))) node.flow = true
    })
    return document.toString({ lineWidth: 0, flowCollectionPadding: false }).trimEnd().split('\n')
  }
}

/** Where the JSON Schema of pipelines lies, seen from a folder; for the first line, which editors read. */
function schemaPath(from: string): string {
  return relative(from, fileURLToPath(new URL('../../../schema/pipeline.schema.json', import.meta.url))).split(sep).join('/')
}

/** Names of plug-ins as a pipeline in another folder writes them. */
function pluginsSeenFrom(to: string, names: readonly string[], from: string): string[] {
  return names.map(name => {
    if (!name.startsWith('.')) return name
    const seen = relative(to, resolve(from, name)).split(sep).join('/')
    return seen.startsWith('.') ? seen : `./${seen}`
  })
}

/** The whole text. `write` writes YAML; `schema` is the path of the JSON Schema. */
export function createPipeline(shape: string, registry: Registry, write: WriteYaml, schema: string, plugins: readonly string[] = []): string {
  const parts = shape.split('/')
  if (parts.length !== 3) throw new UsageError('CLI_USAGE', `"${shape}" is not of the form sources/stages/sinks.`, 'For example: file/filter,map/file, or file//stdout without stages.')
  const [sourceTypes = [], stageTypes = [], sinkTypes = []] = parts.map(part => part.split(',').map(type => type.trim()).filter(type => type !== ''))
  if (sourceTypes.length === 0 || sinkTypes.length === 0) throw new UsageError('CLI_USAGE', 'A pipeline needs at least one source and one sink.')
  const sources = sourceTypes.map(type => find('source', type, registry))
  const stages = stageTypes.map(type => find('stage', type, registry))
  const sinks = sinkTypes.map(type => find('sink', type, registry))
  const last = stages.length === 0 ? [] : outputsOf(stages.length - 1, stages, registry)
  return [
    `# yaml-language-server: $schema=${schema}`,
    '# Fields in comments are optional and show their default or an example.',
    `pipeline: ${sourceTypes[0]}-to-${sinkTypes[0]}`,
    ...(plugins.length === 0 ? [] : write('plugins', plugins)),
    '',
    'sources:',
    ...sources.flatMap((source, at) => named(numbered('in', at), source, [], write)),
    ...(stages.length === 0 ? [] : ['', 'stages:', ...stages.flatMap((stage, at) => stageLines(at, stages, registry, write))]),
    '',
    'sinks:',
    ...sinks.flatMap((sink, at) => named(numbered('out', at), sink, last, write)),
    '',
    ...PIPELINE_OPTIONS,
    '',
  ].join('\n')
}

const PIPELINE_OPTIONS = [
  '# Threads that work on events; 0 runs everything on one. (auto | number)',
  '#workers: auto',
  '# Bytes that may be under way at once. (size such as 64MiB)',
  '#memory: 64MiB',
  '# Keep the order of the source whatever the number of workers. (boolean)',
  '#ordered: true',
  '# Folder of the checkpoints: with it, a restart goes on where the last run stood, file to file exactly once. (path)',
  '#state: .state',
]

function find(kind: 'source' | 'stage' | 'sink', type: string, registry: Registry): Sampled {
  const found = registry[kind](type)
  if (found !== undefined) return found
  const near = suggest(type, registry.all(kind).map(declaration => declaration.type))
  throw new UsageError('CLI_UNKNOWN_COMPONENT', `There is no ${kind} "${type}".`, near === undefined ? `See sluice list ${kind}s.` : `Did you mean "${near}"?`)
}

function numbered(name: string, at: number): string {
  return at === 0 ? name : `${name}-${at + 1}`
}

/** A stage's id: its type, numbered where the type comes again. */
function stageId(at: number, stages: readonly Sampled[]): string {
  const type = stages[at]?.type ?? ''
  return numbered(type, stages.slice(0, at).filter(stage => stage.type === type).length)
}

/** What a later node takes from a stage with named outputs; empty for one without. */
function outputsOf(at: number, stages: readonly Sampled[], registry: Registry): readonly string[] {
  const stage = stages[at]
  if (stage === undefined) return []
  const outputs = registry.stage(stage.type)?.outputs?.(sampleConfig(stage)) ?? []
  return outputs.map(output => `${stageId(at, stages)}.${output}`)
}

function stageLines(at: number, stages: readonly Sampled[], registry: Registry, write: WriteYaml): string[] {
  const stage = stages[at]
  if (stage === undefined) return []
  const from = outputsOf(at - 1, stages, registry)
  const head = [`id: ${stageId(at, stages)}`, ...(from.length === 0 ? [] : write('from', from))]
  const lines = [...head, ...component(stage, write)]
  return [`  # ${stage.summary}`, ...lines.map((line, place) => (place === 0 ? `  - ${line}` : `    ${line}`))]
}

function named(id: string, declaration: Sampled, from: readonly string[], write: WriteYaml): string[] {
  const lines = [...(from.length === 0 ? [] : write('from', from)), ...component(declaration, write)]
  return [`  # ${declaration.summary}`, `  ${id}:`, ...lines.map(line => `    ${line}`)]
}

function component(declaration: Sampled, write: WriteYaml): string[] {
  const lines = commentedConfig(declaration, write)
  const hasValue = lines.some(line => !line.startsWith('#'))
  return [`${declaration.type}:${hasValue ? '' : ' {}'}`, ...lines.map(line => `  ${line}`)]
}
