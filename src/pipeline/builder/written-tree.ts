/** Writes a value as the lines of a config, and the tree with places in them: problems of a TypeScript pipeline are shown like those of a file. */
import { SourceFile } from '../source-file.ts'
import type { Place } from '../source-file.ts'
import type { Entry, Leaf, Mapping, Tree } from '../tree.ts'

/** The tree of a pipeline's object. `name` stands for the file in messages. */
export function writtenTree(value: Readonly<Record<string, unknown>>, name: string, path: string): Mapping {
  const writer = new Writer()
  const tree = writer.map(value, 0)
  const file = new SourceFile(name, path, writer.text)
  return tree(file)
}

/** Places are known before the file is: the text is whole only at the end. */
type Unplaced<T> = (file: SourceFile) => T

class Writer {
  text = ''

  map(value: Readonly<Record<string, unknown>>, depth: number): Unplaced<Mapping> {
    const start = this.text.length
    const entries: Unplaced<Entry>[] = []
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue
      this.#line(depth)
      const keyAt = this.text.length
      this.text += key
      const keyEnd = this.text.length
      this.text += ': '
      const made = this.#value(item, depth + 1)
      entries.push(file => ({ key, keyPlace: place(file, keyAt, keyEnd), value: made(file) }))
    }
    const end = this.text.length
    return file => ({ kind: 'map', place: firstLine(file, start, end), entries: entries.map(entry => entry(file)) })
  }

  #value(value: unknown, depth: number): Unplaced<Tree> {
    if (Array.isArray(value)) return this.#list(value, depth)
    if (typeof value === 'object' && value !== null) return this.map(value as Readonly<Record<string, unknown>>, depth) // No array, not null.
    const start = this.text.length
    const text = typeof value === 'string' ? value : String(value)
    this.text += text.replaceAll('\n', ' ')
    const end = this.text.length
    const known: Leaf['value'] = typeof value === 'boolean' || typeof value === 'number' || value === null ? value : text
    return file => ({ kind: 'leaf', value: known, place: place(file, start, end), written: text === '' ? "''" : text, locate: offset => Math.min(start + offset, end) })
  }

  #list(items: readonly unknown[], depth: number): Unplaced<Tree> {
    const start = this.text.length
    const made = items.map(item => {
      this.#line(depth)
      this.text += '- '
      return this.#value(item, depth + 1)
    })
    const end = this.text.length
    return file => ({ kind: 'list', place: firstLine(file, start, end), items: made.map(item => item(file)) })
  }

  #line(depth: number): void {
    if (this.text !== '') this.text += '\n'
    this.text += '  '.repeat(depth)
  }
}

function place(file: SourceFile, start: number, end: number): Place {
  return { file, start, end }
}

/** What stretches over several lines is marked where its first line begins. */
function firstLine(file: SourceFile, start: number, end: number): Place {
  const text = file.text.slice(start, end)
  const at = start + (text.length - text.trimStart().length)
  return { file, start: Math.min(at, end), end }
}
