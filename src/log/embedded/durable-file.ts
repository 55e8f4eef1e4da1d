/**
 * A small file that is replaced as a whole and never half: write beside it -> fsync -> rename over it -> fsync the folder. Format: docs/formats/log-meta.md.
 *
 *     magic 4 "SLLM" | version 4 | length 4 | CRC-32C 4 of version, length and content | content, JSON in UTF-8         numbers are big-endian
 *
 * What does not check is LOG_CORRUPT and a greater version LOG_FORMAT; either way nothing is changed: nothing is deleted on doubt.
 */
import { dirname, join } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import type { Files } from '../../platform/index.ts'
import { crc32c } from '../batch/index.ts'

export const META_VERSION = 1
const MAGIC = 'SLLM'
const HEAD = 16

/** The content of the file, undefined where there is none. */
export async function readDurable(files: Files, path: string): Promise<unknown> {
  const bytes = await files.readFile(path).catch((error: unknown) => {
    throw fileError(error, path, 'read')
  })
  if (bytes === undefined) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (buffer.length < HEAD || buffer.toString('latin1', 0, 4) !== MAGIC) throw new SluiceError('LOG_FORMAT', `${path} is not a file of a log.`, { place: path })
  const version = buffer.readUInt32BE(4)
  if (version > META_VERSION) {
    throw new SluiceError('LOG_FORMAT', `${path} has version ${version}; this program knows versions up to ${META_VERSION}. Nothing was changed.`, { place: path })
  }
  if (buffer.length !== HEAD + buffer.readUInt32BE(8) || buffer.readUInt32BE(12) !== checksum(buffer)) {
    throw new SluiceError('LOG_CORRUPT', `${path} is damaged: its checksum does not fit. Nothing was changed; restore it from a copy.`, { place: path })
  }
  return JSON.parse(buffer.toString('utf8', HEAD))
}

export async function writeDurable(files: Files, path: string, content: unknown): Promise<void> {
  const fresh = `${path}.new`
  try {
    const file = await files.open(fresh, true)
    try {
      await file.truncate(0)
      await file.write(encodeDurable(content), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await files.rename(fresh, path)
    await files.syncFolder(dirname(path))
  } catch (error) {
    throw fileError(error, path, 'written')
  }
}

export function encodeDurable(content: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(content))
  const bytes = Buffer.alloc(HEAD + text.length)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32BE(META_VERSION, 4)
  bytes.writeUInt32BE(text.length, 8)
  bytes.set(text, HEAD)
  bytes.writeUInt32BE(checksum(bytes), 12)
  return bytes
}

const checksum = (bytes: Uint8Array): number => crc32c(bytes, HEAD, bytes.length, crc32c(bytes, 4, 12))

/** Makes the names in a folder durable, and its own name in all folders above. One that may not be read is left out: it was there before. */
export async function syncUpwards(files: Files, folder: string): Promise<void> {
  await syncNames(files, folder)
  // The last one, `/` or `.`, is its own parent and may hold the folder's name as well.
  for (let path = folder; path !== dirname(path);) {
    path = dirname(path)
    try {
      await syncNames(files, path)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'LOG_READ_ONLY') throw error
    }
  }
}

export async function syncNames(files: Files, folder: string): Promise<void> {
  await files.syncFolder(folder).catch((error: unknown) => {
    throw fileError(error, folder, 'written')
  })
}

/** Removes a folder with all that is in it. Nothing happens where there is none. */
export async function removeFolder(files: Files, folder: string): Promise<void> {
  const names = await files.list(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names) {
    const path = join(folder, name)
    await files.remove(path).catch(async (error: unknown) => {
      const isFolder = await files.list(path).then(() => true, () => false)
      if (!isFolder) throw error
      await removeFolder(files, path)
    })
  }
  await files.removeFolder(folder)
}

/** What the system says about a file, as an error of the log. */
export function fileError(error: unknown, path: string, done: 'read' | 'written'): SluiceError {
  if (error instanceof SluiceError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const message = `${path} could not be ${done}: ${error instanceof Error ? error.message : String(error)}`
  const details = { cause: error, place: path }
  if (code === 'ENOSPC' || code === 'EDQUOT') return new SluiceError('LOG_DISK_FULL', message, details)
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return new SluiceError('LOG_READ_ONLY', message, details)
  return new SluiceError(done === 'read' ? 'FILE_READ' : 'FILE_WRITE', message, details)
}
