/**
 * Reads a pipeline's file and all that it includes, and merges them into one tree.
 *
 * An included file comes before the one that includes it, in the order of the list: its stages run first, its tests come first. Where both say
 * something about one setting, source, sink or template, the including file has the last word, and a later include has it over an earlier one.
 * Bounded: the number of files, and how deep they include each other.
 */
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import type { Diagnostics } from './diagnostic.ts'
import { readYaml } from './read-yaml.ts'
import type { YamlLibrary } from './read-yaml.ts'
import { SourceFile } from './source-file.ts'
import type { Place } from './source-file.ts'
import { isEmpty, shown } from './tree.ts'
import type { Entry, Mapping, Tree } from './tree.ts'

export const FILES_MAX = 64
export const INCLUDE_DEPTH_MAX = 8

/** The text of a file; undefined where there is none. Throws what else the system says. */
export type ReadText = (path: string) => string | undefined

export interface DocumentSetting {
  readonly yaml: YamlLibrary
  readonly diagnostics: Diagnostics
  readonly readText: ReadText
  /** Absolute; files are shown as seen from here. */
  readonly workingFolder: string
  /** Puts values in the place of `${...}`. */
  substitute(tree: Tree): Tree
}

/** Sections whose entries are merged by key. */
const MERGED = new Set(['sources', 'sinks', 'templates'])
/** Sections whose items follow each other. */
const JOINED = new Set(['plugins', 'stages', 'tests'])

export class Documents {
  readonly #setting: DocumentSetting
  readonly #files = new Map<string, SourceFile>()
  #count = 0

  constructor(setting: DocumentSetting) {
    this.#setting = setting
  }

  /** The merged tree of a file, or undefined where it could not be read. */
  read(path: string, named?: Place, chain: readonly string[] = []): Mapping | undefined {
    const file = this.#open(path, named)
    if (file === undefined) return undefined
    const { diagnostics, yaml } = this.#setting
    const tree = readYaml(file, yaml, diagnostics)
    const start = { file, start: 0, end: 1 }
    if (tree === undefined || isEmpty(tree)) {
      if (diagnostics.errors === 0) diagnostics.error('CONFIG_MISSING_FIELD', start, 'The file is empty.', { hint: 'A pipeline needs at least `sources` and `sinks`; `sluice create` writes one.' })
      return undefined
    }
    if (tree.kind !== 'map') {
      diagnostics.error('CONFIG_VALUE', tree.place, `A pipeline must be a map, not ${shown(tree)}.`, { expected: 'a map' })
      return undefined
    }
    const own = this.#setting.substitute(tree)
    return own.kind === 'map' ? this.#withIncludes(own, path, [...chain, path]) : undefined
  }

  /** The tree with the tests of the file beside it: `late.test.yaml` for `late.yaml` and for `late.ts`. It holds tests and nothing else. */
  withTests(own: Mapping, path: string): Mapping {
    const beside = path.replace(/\.(ya?ml)$/, '.test.$1').replace(/\.[cm]?[jt]s$/, '.test.yaml')
    const { diagnostics, readText } = this.#setting
    let there = false
    try {
      there = beside !== path && readText(beside) !== undefined
    } catch {
      there = true // Reading it again tells why it can't be read.
    }
    const tests = there ? this.read(beside) : undefined
    if (tests === undefined) return own
    for (const { key, keyPlace } of tests.entries) {
      if (key !== 'tests') diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `A file of tests holds "tests" only, not "${key}".`)
    }
    return merge(own, { ...tests, place: own.place, entries: tests.entries.filter(entry => entry.key === 'tests') })
  }

  #open(path: string, named: Place | undefined): SourceFile | undefined {
    const before = this.#files.get(path)
    if (before !== undefined) return before
    const { diagnostics, readText, workingFolder } = this.#setting
    const name = shownPath(path, workingFolder)
    const place = named ?? { file: new SourceFile(name, path, ''), start: 0, end: 1 }
    let text: string | undefined
    try {
      text = readText(path)
    } catch (error) {
      diagnostics.error('CONFIG_FILE', place, `${name} can't be read: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
    if (text === undefined) {
      diagnostics.error('CONFIG_FILE', place, `${name} is not there.`)
      return undefined
    }
    const file = new SourceFile(name, path, text.replace(/^\uFEFF/, ''))
    this.#files.set(path, file)
    diagnostics.concealIn(file)
    return file
  }

  #withIncludes(own: Mapping, path: string, chain: readonly string[]): Mapping {
    const include = own.entries.find(entry => entry.key === 'include')
    if (include === undefined) return own
    let merged: Mapping = { ...own, entries: [] }
    for (const item of include.value.kind === 'list' ? include.value.items : [include.value]) {
      const part = this.#include(item, path, chain)
      if (part !== undefined) merged = merge(merged, part)
    }
    return merge(merged, { ...own, entries: own.entries.filter(entry => entry !== include) })
  }

  #include(item: Tree, by: string, chain: readonly string[]): Mapping | undefined {
    const { diagnostics, workingFolder } = this.#setting
    if (item.kind !== 'leaf' || typeof item.value !== 'string' || item.value === '') {
      diagnostics.error('CONFIG_VALUE', item.place, `"include" must be a path or a list of paths, not ${shown(item)}.`, { expected: 'a path or a list of paths' })
      return undefined
    }
    const path = resolve(dirname(by), item.value)
    if (chain.includes(path)) {
      const round = [...chain.slice(chain.indexOf(path)), path].map(one => shownPath(one, workingFolder))
      diagnostics.error('CONFIG_CYCLE', item.place, `These files include each other in a circle: ${round.join(' -> ')}.`)
      return undefined
    }
    this.#count++
    if (this.#count > FILES_MAX || chain.length > INCLUDE_DEPTH_MAX) {
      const what = chain.length > INCLUDE_DEPTH_MAX ? `more than ${INCLUDE_DEPTH_MAX} files deep` : `more than ${FILES_MAX} files`
      diagnostics.error('CONFIG_LIMIT', item.place, `A pipeline can't include ${what}.`)
      return undefined
    }
    return this.read(path, item.place, chain)
  }
}

/** `over` has the last word. */
function merge(under: Mapping, over: Mapping): Mapping {
  const entries = new Map(under.entries.map(entry => [entry.key, entry]))
  for (const entry of over.entries) {
    const before = entries.get(entry.key)
    entries.set(entry.key, before === undefined ? entry : mergeEntry(before, entry))
  }
  return { kind: 'map', place: over.place, entries: [...entries.values()] }
}

function mergeEntry(under: Entry, over: Entry): Entry {
  if (MERGED.has(over.key) && under.value.kind === 'map' && over.value.kind === 'map') {
    const byKey = new Map([...under.value.entries, ...over.value.entries].map(entry => [entry.key, entry]))
    return { ...over, value: { ...over.value, entries: [...byKey.values()] } }
  }
  if (JOINED.has(over.key) && under.value.kind === 'list' && over.value.kind === 'list') {
    return { ...over, value: { ...over.value, items: [...under.value.items, ...over.value.items] } }
  }
  // One plug-in may stand by itself, without a list around it.
  if (over.key === 'plugins' && under.value.kind !== 'map' && over.value.kind !== 'map') {
    return { ...over, value: { kind: 'list', place: over.value.place, items: [...itemsOf(under.value), ...itemsOf(over.value)] } }
  }
  return over
}

function itemsOf(tree: Tree): readonly Tree[] {
  return tree.kind === 'list' ? tree.items : [tree]
}

/** A path as seen from a folder, where that is inside it or beside it. */
export function shownPath(path: string, folder: string): string {
  const seen = relative(folder, path)
  return seen === '' || isAbsolute(seen) || seen.startsWith('../../') ? path : seen
}
