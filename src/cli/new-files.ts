/** Writes the files of something new: all of them or none. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { UsageError } from './failure.ts'
import { reason } from './input.ts'

/** A clash is found before anything is written. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  const clash = Object.keys(files).find(name => existsSync(join(folder, name)))
  if (clash !== undefined) throw new UsageError('CLI_FILE_EXISTS', `${join(folder, clash)} is there already; nothing was written.`)
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text, { flag: 'wx' })
    }
  } catch (error) {
    throw new UsageError('CLI_USAGE', `The project can't be written to ${folder}: ${reason(error)}.`)
  }
}
