/** Files that a source's `path` means. */
import { globSync, statSync } from 'node:fs'
import { SluiceError } from '../../base/index.ts'

export interface FoundFile {
  readonly path: string
  readonly size: number
  readonly inode: number
}

/** All files of the paths and patterns, each pattern's sorted by name, none twice. Throws FILE_MISSING where one finds nothing. */
export function findFiles(patterns: readonly string[], optional: boolean): FoundFile[] {
  const files = new Map<string, FoundFile>()
  for (const pattern of patterns) {
    const isPattern = /[*?[{]/.test(pattern) && statSync(pattern, { throwIfNoEntry: false }) === undefined
    const names = isPattern ? globSync(pattern).sort() : [pattern]
    let found = 0
    for (const path of names) {
      const stat = statSync(path, { throwIfNoEntry: false })
      if (stat === undefined || stat.isDirectory()) continue
      found++
      if (!files.has(path)) files.set(path, { path, size: stat.size, inode: stat.ino })
    }
    if (found === 0 && !optional) throw new SluiceError('FILE_MISSING', isPattern ? `No file matches ${pattern}.` : `There is no file ${pattern}.`)
  }
  return [...files.values()]
}
