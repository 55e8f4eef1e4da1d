/** The reference page of one component, made from its declaration. */
import { stringify } from 'yaml'
import { fieldRows, kindText } from '../../src/cli/field-text.ts'
import type { CodecDeclaration, Example, Field, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../../src/engine/index.ts'

export type AnyDeclaration = SourceDeclaration | StageDeclaration | SinkDeclaration | CodecDeclaration

const TITLES = { source: 'source', stage: 'stage', sink: 'sink', codec: 'format' } as const

/** Text that stands in one cell of a table. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')
}

export function componentPage(declaration: AnyDeclaration): string {
  const { kind, type, summary, description } = declaration
  const parts = [
    `# ${type} (${TITLES[kind]})`,
    `${summary}.`,
    ...(description === undefined ? [] : [description.trim()]),
    ...promises(declaration),
    '## Fields',
    ...fields(declaration),
    ...examples(declaration),
  ]
  return `${parts.join('\n\n')}\n`
}

/** What holds for every use of the component, from the flags of its declaration. */
function promises(declaration: AnyDeclaration): string[] {
  const lines: string[] = []
  if (declaration.kind === 'source') {
    if (declaration.replays === true) lines.push('With `state`, a restart reads on behind the last checkpoint.')
    else lines.push('After a restart it reads anew, or goes on with what arrives: it has no positions to return to.')
    if (declaration.acks === true) lines.push('It answers its clients when their events are durable.')
  }
  if (declaration.kind === 'sink') {
    if (declaration.marks === true) lines.push('With `state` it is put back to the last checkpoint at a restart, so that each event is written exactly once.')
    else lines.push('Each event is written at least once: after a crash, those behind the last checkpoint come again.')
  }
  return lines.length === 0 ? [] : [lines.map(line => `- ${line}`).join('\n')]
}

function fields({ config, shorthand }: AnyDeclaration): string[] {
  const parts: string[] = []
  if (shorthand !== undefined) parts.push(`A bare value stands for \`${shorthand}\`.`)
  const variants = config.anyOf ?? [config]
  for (const [index, variant] of variants.entries()) {
    if (variants.length > 1) parts.push(`Form ${index + 1}, ${kindText(variant)}${variant.description === undefined ? '' : `: ${variant.description}`}.`)
    if (fieldRows(variant).length > 0) {
      parts.push(fieldTable(variant))
    } else if (variants.length === 1) {
      parts.push(variant.properties === undefined ? `${capital(kindText(variant))}.` : 'None.')
    }
  }
  return parts
}

/** A row per field; groups of fields are opened. */
export function fieldTable(config: Field<unknown>): string {
  const all = fieldRows(config)
  const rows = all.map(row => {
    const inner = all.filter(other => other.name.startsWith(`${row.name}.`))
    // A group of fields that may all be left out may be left out itself.
    const needed = row.needed === 'required' && inner.length > 0 && inner.every(other => other.needed !== 'required') ? 'optional' : row.needed
    return `| \`${row.name}\` | ${cell(row.kind)} | ${cell(needed)} | ${cell(row.description)} |`
  })
  return ['| field | kind | given | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function examples(declaration: AnyDeclaration): string[] {
  const all = declaration.examples ?? []
  return all.length === 0 ? [] : ['## Examples', ...all.flatMap(example => exampleText(declaration, example))]
}

function exampleText({ kind, type, shorthand }: AnyDeclaration, example: Example): string[] {
  const parts = [`${example.title}:`, fence('yaml', componentYaml(kind, type, shorthand, example.config))]
  if (example.input !== undefined) parts.push('takes', fence('json', jsonLines(example.input)))
  if (example.output !== undefined) parts.push(example.output.length === 0 ? 'and lets nothing through.' : 'and gives', ...(example.output.length === 0 ? [] : [fence('json', jsonLines(example.output))]))
  return parts
}

/** The component as it stands in a pipeline. */
function componentYaml(kind: AnyDeclaration['kind'], type: string, shorthand: string | undefined, config: unknown): string {
  if (kind === 'codec') return stringify({ sources: { in: { file: { path: 'data/in', format: type, options: config } } } })
  const value = shorthand === undefined || config !== undefined ? config : {}
  const entry = { [type]: value }
  if (kind === 'stage') return stringify({ stages: [entry] }, { lineWidth: 0 })
  return stringify({ [`${kind}s`]: { [kind === 'source' ? 'in' : 'out']: entry } }, { lineWidth: 0 })
}

function jsonLines(events: readonly unknown[]): string {
  return events.map(event => JSON.stringify(event)).join('\n')
}

export function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``
}

function capital(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
}
