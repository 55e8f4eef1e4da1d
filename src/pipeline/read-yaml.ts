/**
 * Reads YAML text into a tree with places. YAML 1.2, its core schema: no tags of one's own, no merge keys, so `yes` is text and `on` a key.
 *
 * Bounded: the text, the depth, and the nodes after aliases have been followed, so that a few lines can't grow into millions of values.
 */
import type * as Yaml from 'yaml'
import type { Diagnostics } from './diagnostic.ts'
import { scalarPlaces } from './scalar-places.ts'
import type { ScalarStyle } from './scalar-places.ts'
import type { Place, SourceFile } from './source-file.ts'
import { broken } from './tree.ts'
import type { Entry, Leaf, Tree } from './tree.ts'

export type YamlLibrary = typeof Yaml

export const TEXT_MAX = 1024 * 1024
export const NODES_MAX = 100_000
export const DEPTH_MAX = 64

/** The tree of a file, or undefined where it has none. Problems go to `diagnostics`; a tree may come with them. */
export function readYaml(file: SourceFile, yaml: YamlLibrary, diagnostics: Diagnostics): Tree | undefined {
  if (file.text.length > TEXT_MAX) {
    diagnostics.error('CONFIG_LIMIT', { file, start: 0, end: 1 }, `The file has more than ${TEXT_MAX} characters.`)
    return undefined
  }
  const depth = tooDeep(file.text)
  if (depth !== undefined) {
    diagnostics.error('CONFIG_LIMIT', { file, start: depth, end: depth + 1 }, `The file is nested more than ${DEPTH_MAX} levels deep.`)
    return undefined
  }
  const document = parse(file, yaml, diagnostics)
  if (document === undefined || document.contents === null) return undefined
  return new Reader(file, yaml, document, diagnostics).tree(document.contents, 0)
}

function parse(file: SourceFile, yaml: YamlLibrary, diagnostics: Diagnostics): Yaml.Document.Parsed | undefined {
  try {
    const document = yaml.parseDocument(file.text, { version: '1.2', prettyErrors: false, merge: false, stringKeys: false })
    // One slip makes the reader stumble again and again: of what breaks the structure, the first is told, and nothing is made of the rest.
    const problems = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])
    const first = problems.find(({ code }) => !HARMLESS.has(code))
    if (problems.length > 0) diagnostics.concealIn(file, { start: 0, end: file.text.length })
    for (const problem of problems) {
      const { code, pos, message } = problem
      if (!HARMLESS.has(code) && problem !== first) continue
      const word = /^[^\s:,{}[\]]+/.exec(file.text.slice(pos[0], pos[0] + 80))?.[0] ?? ' '
      const end = HARMLESS.has(code) ? pos[0] + word.length : Math.max(pos[0] + 1, Math.min(pos[1], pos[0] + 80))
      diagnostics.error('CONFIG_SYNTAX', { file, start: pos[0], end }, syntaxMessage(code, message), { hint: syntaxHint(file, pos[0], code) })
    }
    return first === undefined ? document : undefined
  } catch (error) {
    // The library throws on some inputs that it was not made for.
    diagnostics.error('CONFIG_SYNTAX', { file, start: 0, end: 1 }, `The file can't be read as YAML: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

/** Problems that leave the structure whole. */
const HARMLESS: ReadonlySet<Yaml.ErrorCode> = new Set(['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED'])

/** Where brackets nest deeper than anybody writes: the library recurses into them. */
function tooDeep(text: string): number | undefined {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '[' || char === '{') depth++
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1)
    else if (char === '\n' && depth < DEPTH_MAX) depth = 0
    if (depth > DEPTH_MAX * 4) return at
  }
  return undefined
}

function syntaxMessage(code: Yaml.ErrorCode, message: string): string {
  const first = message.split('\n')[0] ?? message
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'YAML is indented with spaces, not with tabs.'
    case 'DUPLICATE_KEY':
      return 'This key stands here twice.'
    case 'MULTIPLE_DOCS':
      return 'A pipeline is one YAML document; "---" begins another.'
    case 'TAG_RESOLVE_FAILED':
      return 'Tags of one\'s own ("!name") mean nothing here.'
    case 'BAD_INDENT':
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return `The indentation or a colon is out of place: ${sentence(first)}`
    default:
      return `This is not YAML: ${sentence(first)}`
  }
}

function sentence(text: string): string {
  const lower = /^[A-Z][a-z]/.test(text) ? `${text[0]?.toLowerCase() ?? ''}${text.slice(1)}` : text
  return /[.!?]$/.test(lower) ? lower : `${lower}.`
}

/** Two slips that YAML's own message does not tell. */
function syntaxHint(file: SourceFile, offset: number, code: Yaml.ErrorCode): string | undefined {
  const line = file.line(file.position(offset).line)
  if (/\$\{/.test(line) && /[{[].*[^$]*\$\{/.test(line)) return 'Inside { } and [ ], put quotes round text with ${...}.'
  if (/:\s+[^'"|>].*: /.test(line) && code !== 'DUPLICATE_KEY') return 'Put quotes round a text that holds ": ".'
  return undefined
}

class Reader {
  readonly #file: SourceFile
  readonly #yaml: YamlLibrary
  readonly #document: Yaml.Document.Parsed
  readonly #diagnostics: Diagnostics
  readonly #open = new Set<unknown>()
  #nodes = 0
  #full = false

  constructor(file: SourceFile, yaml: YamlLibrary, document: Yaml.Document.Parsed, diagnostics: Diagnostics) {
    this.#file = file
    this.#yaml = yaml
    this.#document = document
    this.#diagnostics = diagnostics
  }

  tree(node: unknown, depth: number): Tree {
    const { isAlias, isMap, isSeq, isScalar } = this.#yaml
    const place = this.#place(node)
    if (!this.#allowed(place, depth)) return broken(place)
    if (isAlias(node)) return this.#alias(node, place, depth)
    if (isScalar(node)) return this.#scalar(node, place)
    if (!isMap(node) && !isSeq(node)) return this.#leaf(null, place)
    if (this.#open.has(node)) {
      this.#diagnostics.error('CONFIG_SYNTAX', place, 'This alias leads back into itself.')
      return broken(place)
    }
    this.#open.add(node)
    const made: Tree = isSeq(node)
      ? { kind: 'list', place, items: node.items.map(item => this.tree(item, depth + 1)) }
      : { kind: 'map', place, entries: node.items.map(pair => this.#entry(pair, place, depth)).filter(entry => entry !== undefined) }
    this.#open.delete(node)
    return made
  }

  #allowed(place: Place, depth: number): boolean {
    this.#nodes++
    if (this.#nodes <= NODES_MAX && depth <= DEPTH_MAX) return true
    if (!this.#full) {
      const what = depth > DEPTH_MAX ? `is nested more than ${DEPTH_MAX} levels deep` : `has more than ${NODES_MAX} values once its aliases are followed`
      this.#diagnostics.error('CONFIG_LIMIT', place, `The file ${what}.`)
    }
    this.#full = true
    return false
  }

  #alias(node: Yaml.Alias, place: Place, depth: number): Tree {
    if (this.#full) return broken(place)
    const target = node.resolve(this.#document)
    if (target !== undefined) return this.tree(target, depth)
    this.#diagnostics.concealIn(this.#file, { start: 0, end: this.#file.text.length })
    this.#diagnostics.error('CONFIG_SYNTAX', place, `There is no anchor "&${node.source}" before this alias.`)
    return broken(place)
  }

  #entry(pair: Yaml.Pair<unknown, unknown>, owner: Place, depth: number): Entry | undefined {
    const key = this.#yaml.isAlias(pair.key) ? pair.key.resolve(this.#document) : pair.key
    const keyPlace = pair.key === null ? owner : this.#place(pair.key)
    if (!this.#yaml.isScalar(key)) {
      this.#diagnostics.error('CONFIG_SYNTAX', keyPlace, 'A key must be a text.')
      return undefined
    }
    const written = keyPlace.file.text.slice(keyPlace.start, keyPlace.end)
    const name = typeof key.value === 'string' ? key.value : written
    if (pair.value === null || pair.value === undefined) return { key: name, keyPlace, value: { ...this.#leaf(null, keyPlace), written: '' } }
    const value = this.tree(pair.value, depth + 1)
    // `key:` with nothing behind it is a scalar without extent: the key is what can be shown.
    const bare = value.kind === 'leaf' && value.place.end <= value.place.start
    return { key: name, keyPlace, value: bare ? { ...value, place: keyPlace } : value }
  }

  #scalar(node: Yaml.Scalar, place: Place): Leaf {
    const { value } = node
    if (value === null || typeof value === 'boolean' || typeof value === 'number') return this.#leaf(value, place)
    if (typeof value !== 'string') return this.#leaf(String(value), place)
    const style = STYLES[node.type ?? ''] ?? 'plain'
    let places: readonly number[] | undefined
    const locate = (offset: number): number => {
      places ??= scalarPlaces(this.#file.text, place.start, place.end, style, value)
      return places[Math.max(0, Math.min(offset, value.length))] ?? place.start
    }
    return { ...this.#leaf(value, place), locate }
  }

  #leaf(value: Leaf['value'], place: Place): Leaf {
    return { kind: 'leaf', value, place, written: this.#file.text.slice(place.start, place.end), locate: () => place.start }
  }

  #place(node: unknown): Place {
    const range = this.#yaml.isNode(node) ? node.range : undefined
    const start = Math.min(range?.[0] ?? 0, this.#file.text.length)
    return { file: this.#file, start, end: Math.max(start, Math.min(range?.[1] ?? start, this.#file.text.length)) }
  }
}

const STYLES: Readonly<Record<string, ScalarStyle>> = {
  PLAIN: 'plain', QUOTE_SINGLE: 'single', QUOTE_DOUBLE: 'double', BLOCK_LITERAL: 'literal', BLOCK_FOLDED: 'folded',
}
