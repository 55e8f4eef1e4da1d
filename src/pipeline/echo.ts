/**
 * Shows a pipeline as it was understood: after includes, templates, variables and defaults, each value with its origin.
 *
 *     stages:
 *       - id: late
 *         filter:
 *           condition: event.delay > 60       # late.yaml:9
 *
 * What came from the environment or a secret file is shown by its name; secrets are not shown at all. The text is YAML that means the same.
 */
import { isSecretName, withoutPasswords } from '../base/index.ts'
import type { Field, Registry } from '../engine/index.ts'
import { mayHoldSecret, mustBeGiven } from './check-value.ts'
import { SETTINGS, SINK_OPTIONS, SOURCE_OPTIONS, STAGE_OPTIONS } from './layout.ts'
import type { LoadResult } from './load.ts'
import { namesPlace } from './secret-places.ts'
import { longForm } from './nodes.ts'
import type { DraftNode } from './nodes.ts'
import { entryOf, isEmpty } from './tree.ts'
import type { Leaf, Tree } from './tree.ts'

interface Line {
  readonly text: string
  readonly origin?: string
}

const OPTIONS: Readonly<Record<DraftNode['kind'], Readonly<Record<string, Field<unknown>>>>> = { source: SOURCE_OPTIONS, stage: STAGE_OPTIONS, sink: SINK_OPTIONS }

/** The text, with a line end; empty where the file could not be read at all. */
export function echoPipeline({ draft, registry }: LoadResult): string {
  if (draft === undefined) return ''
  const { tree, nodes, wiring, deadLetters } = draft
  const lines: Line[] = [{ text: `pipeline: ${yamlText(draft.name)}`, ...originOf(entryOf(tree, 'pipeline')?.value, 'name of the file') }]
  const plugins = entryOf(tree, 'plugins')?.value
  if (plugins !== undefined) lines.push(...field('plugins', { items: { type: 'string' } }, plugins))
  for (const [name, of] of Object.entries(SETTINGS.properties ?? {})) lines.push(...field(name, of, entryOf(tree, name)?.value))
  lines.push({ text: 'sources:' }, ...nodes.sources.flatMap(node => indent([{ text: `${node.id}:` }, ...indent(body(node))])))
  if (nodes.stages.length > 0) lines.push({ text: 'stages:' })
  const from = (node: DraftNode): Line => {
    const edges = wiring.from.get(node) ?? []
    const names = edges.map(edge => (edge.output === undefined ? edge.node.id : `${edge.node.id}.${edge.output}`))
    return { text: `from: [${names.map(yamlText).join(', ')}]`, origin: edges.some(edge => edge.place !== undefined) ? (originOf(node.options.find(entry => entry.key === 'from')?.value, '').origin ?? '') : 'order of the stages' }
  }
  for (const node of nodes.stages) lines.push(...indent(item([{ text: `id: ${yamlText(node.id)}` }, from(node), ...body(node)])))
  lines.push({ text: 'sinks:' }, ...nodes.sinks.flatMap(node => indent([{ text: `${node.id}:` }, ...indent([from(node), ...body(node)])])))
  const letters = entryOf(tree, 'dead_letters')?.value
  if (letters !== undefined) lines.push(...field('dead_letters', lettersField(letters, registry), letters))
  else if (deadLetters !== undefined) lines.push({ text: 'dead_letters:' }, ...indent([{ text: `${deadLetters.type}:` }, ...indent(Object.entries(deadLetters.config ?? {}).flatMap(([key, value]) => plainValue(key, value)))]))
  return withoutPasswords(layOut(lines))
}

/** Dead letters are a sink, of one of the types by name. */
function lettersField(letters: Tree, registry: Registry): Field<unknown> {
  const types = letters.kind === 'map' ? letters.entries.map(({ key }) => registry.sink(key)).filter(one => one !== undefined) : []
  return { properties: { ...SINK_OPTIONS, ...Object.fromEntries(types.map(({ type, config }) => [type, config])) } }
}

/** The type with its config, and the options beside it. */
function body(node: DraftNode): Line[] {
  const { declaration, type } = node
  const config = declaration === undefined ? node.config : longForm(declaration, node.config)
  const options = node.options.filter(entry => entry.key !== 'from').flatMap(({ key, value }) => field(key, OPTIONS[node.kind][key] ?? {}, value))
  // Of a type that is not known, nobody knows which values are secret.
  if (declaration === undefined) return [{ text: `${yamlText(type)}: ${UNKNOWN}` }, ...options]
  return [...field(type, declaration.config, config), ...options]
}

/** `key: value`, on one line or several. What is not given shows its default, if it has one. */
function field(key: string, of: Field<unknown>, tree: Tree | undefined, fallback: unknown = of.default): Line[] {
  if (tree === undefined || isEmpty(tree)) {
    if (fallback !== undefined) return plainValue(key, fallback)
    return of.properties === undefined || mustBeGiven(of) || of['x-optional'] === true ? (tree === undefined ? [] : [{ text: `${yamlText(key)}:`, ...originOf(tree, '') }]) : object(key, of, tree)
  }
  const kind = isSecretName(key) && of.properties === undefined ? SECRET : kindOf(of, tree)
  if (kind['x-sluice'] === 'secret' && tree.kind !== 'leaf') return [{ text: `${yamlText(key)}: ${HIDDEN}`, ...originOf(tree, '') }]
  if (tree.kind === 'leaf') return [{ text: `${yamlText(key)}: ${shownLeaf(kind === SECRET ? kind : of, tree)}`, ...originOf(tree, '') }]
  if (tree.kind === 'map') return object(key, kind, tree)
  const leaves = tree.items.filter(one => one.kind === 'leaf')
  if (leaves.length === tree.items.length && leaves.every(one => one.made === undefined)) {
    return [{ text: `${yamlText(key)}: [${leaves.map(one => shownLeaf(kind.items ?? {}, one)).join(', ')}]`, ...originOf(tree, '') }]
  }
  return [{ text: `${yamlText(key)}:` }, ...indent(tree.items.flatMap(one => listItem(kind.items ?? {}, one)))]
}

/** Of several kinds, the one that the tree is of: only it knows which leaves are secret. */
function kindOf(of: Field<unknown>, tree: Tree): Field<unknown> {
  if (of.anyOf === undefined) return of
  const type = tree.kind === 'leaf' ? 'string' : tree.kind === 'map' ? 'object' : 'array'
  return of.anyOf.find(one => one['x-sluice'] === 'secret' || one.type === type) ?? {}
}

function object(key: string, of: Field<unknown>, tree: Tree | undefined): Line[] {
  const entries = tree?.kind === 'map' ? tree.entries : []
  const others = typeof of.additionalProperties === 'object' ? of.additionalProperties : {}
  const given = entries.flatMap(({ key: name, value }) => {
    const inner = of.properties?.[name]
    return inner === undefined && of.additionalProperties === false ? [{ text: `${yamlText(name)}: ${UNKNOWN}`, ...originOf(value, '') }] : field(name, inner ?? others, value)
  })
  const missing = Object.entries(of.properties ?? {}).filter(([name]) => !entries.some(entry => entry.key === name))
  const lines = [...given, ...missing.flatMap(([name, inner]) => field(name, inner, undefined))]
  return lines.length === 0 ? [{ text: `${yamlText(key)}: {}` }] : [{ text: `${yamlText(key)}:` }, ...indent(lines)]
}

function listItem(of: Field<unknown>, tree: Tree): Line[] {
  // Written as a field first, whose key then gives way to the dash.
  const lines = field('x', of, tree)
  const [first, ...rest] = lines
  if (first === undefined) return [{ text: '- null' }]
  return rest.length === 0 ? [{ ...first, text: first.text.replace(/^x:/, '-') }] : item(rest.map(line => ({ ...line, text: line.text.slice(2) })))
}

function plainValue(key: string, value: unknown): Line[] {
  if (typeof value !== 'object' || value === null) return [{ text: `${yamlText(key)}: ${scalarText(value)}`, origin: 'default' }]
  return [{ text: `${yamlText(key)}: ${JSON.stringify(value)}`, origin: 'default' }]
}

/** Shown in the place of what nothing is known of: it may be a secret with a slip in its name. */
const UNKNOWN = '"(not known)"'
/** Shown in the place of a secret. */
const HIDDEN = '"(secret)"'
const SECRET: Field<unknown> = { 'x-sluice': 'secret' }

function shownLeaf(of: Field<unknown>, tree: Leaf): string {
  const isSecret = of['x-sluice'] === 'secret'
  // The default of a variable stands in the file as any other value does.
  if (tree.made !== undefined && !tree.made.open && !(isSecret && !namesPlace(tree.made.raw))) return JSON.stringify(tree.made.raw)
  if (isSecret || mayHoldSecret(of)) return HIDDEN
  return scalarText(tree.value)
}

function originOf(tree: Tree | undefined, otherwise: string): { origin?: string } {
  if (tree === undefined) return { origin: otherwise }
  const { file, start } = tree.place
  const place = file.name === '--set' ? '--set' : `${file.name}:${file.position(start).line}`
  return { origin: [...(tree.kind === 'leaf' ? (tree.made?.origins ?? []) : []), place].join(', ') }
}

function scalarText(value: unknown): string {
  return typeof value === 'string' ? yamlText(value) : String(value)
}

/** Text as YAML: plain where that can't be read as anything else, in double quotes otherwise. JSON's escapes are YAML's. */
function yamlText(text: string): string {
  const simple = /^[A-Za-z_/][\w ./()<>=!+-]*$|^\.{0,2}\/[\w./-]*$|^\d+[A-Za-z]+$/.test(text) && !/\s$|^(true|false|null)$|^\d+e\d+$/i.test(text)
  return simple ? text : JSON.stringify(text)
}

function indent(lines: readonly Line[]): Line[] {
  return lines.map(line => ({ ...line, text: `  ${line.text}` }))
}

function item(lines: readonly Line[]): Line[] {
  return lines.map((line, at) => ({ ...line, text: `${at === 0 ? '- ' : '  '}${line.text}` }))
}

const ORIGIN_COLUMN_MAX = 64

function layOut(lines: readonly Line[]): string {
  const column = Math.min(ORIGIN_COLUMN_MAX, Math.max(...lines.map(line => line.text.length)) + 2)
  return `${lines.map(({ text, origin }) => (origin === undefined || origin === '' ? text : `${text.padEnd(column - 2)}  # ${origin}`)).join('\n')}\n`
}
