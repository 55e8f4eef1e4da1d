/** Files named on the command line. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { UsageError } from './failure.ts'
import type { Io } from './io.ts'

/** The text of a file, or of standard input for `-`. */
export function readInput(file: string, io: Io): string {
  if (file === '-') return io.readStdin()
  try {
    return readFileSync(resolve(io.folder, file), 'utf8')
  } catch (error) {
    throw new UsageError('CLI_FILE_MISSING', `${file} can't be read: ${reason(error)}.`)
  }
}

/** What the system said, without its repetition of code, call and path. */
export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'ENOENT':
      return 'it is not there'
    case 'EACCES':
    case 'EPERM':
      return 'permission denied'
    case 'EISDIR':
      return 'it is a folder'
    case 'ENOTDIR':
      return 'a part of its path is not a folder'
    default:
      return error instanceof Error ? error.message : String(error)
  }
}
