/** Values given on the command line, put into the tree of a config. */
import type { Diagnostics } from './diagnostic.ts'
import { readYaml } from './read-yaml.ts'
import type { YamlLibrary } from './read-yaml.ts'
import { SourceFile } from './source-file.ts'
import type { Place } from './source-file.ts'
import { entryOf } from './tree.ts'
import type { Entry, Mapping, Tree } from './tree.ts'

/** The tree with the value of each key replaced. A key that is not there is added, so that a slip in it is told like one in the file. */
export function applyOverrides(tree: Mapping, overrides: Readonly<Record<string, string>>, yaml: YamlLibrary, diagnostics: Diagnostics): Mapping {
  let result = tree
  for (const [key, text] of Object.entries(overrides)) {
    const file = new SourceFile('--set', '', `${key}=${text}`)
    const place: Place = { file, start: 0, end: key.length }
    diagnostics.concealIn(file)
    const value = readYaml(new SourceFile('--set', '', `${' '.repeat(key.length + 1)}${text}`), yaml, diagnostics)
    const empty: Tree = { kind: 'leaf', value: null, place, written: '', locate: () => 0 }
    result = put(result, key.split('.'), value === undefined ? empty : moved(value, file), place)
  }
  return result
}

function put(tree: Mapping, [first = '', ...rest]: readonly string[], value: Tree, place: Place): Mapping {
  const before = entryOf(tree, first)
  const inner: Mapping = before?.value.kind === 'map' ? before.value : { kind: 'map', place, entries: [] }
  const entry: Entry = { key: first, keyPlace: place, value: rest.length === 0 ? value : put(inner, rest, value, place) }
  return { ...tree, entries: before === undefined ? [...tree.entries, entry] : tree.entries.map(one => (one === before ? entry : one)) }
}

/** The value was read behind as many spaces as its key has characters: only the file that shows it differs. */
function moved(tree: Tree, file: SourceFile): Tree {
  const place = { ...tree.place, file }
  if (tree.kind === 'leaf') return { ...tree, place }
  if (tree.kind === 'list') return { ...tree, place, items: tree.items.map(item => moved(item, file)) }
  return { ...tree, place, entries: tree.entries.map(entry => ({ ...entry, keyPlace: { ...entry.keyPlace, file }, value: moved(entry.value, file) })) }
}
