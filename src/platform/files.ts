/** Files: the calls that durable parts make, so that tests can make each of them fail. */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { mkdir, open, readFile, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

export interface OpenFile {
  /** Reads up to `length` bytes at `position` into `bytes` at `offset`; answers how many. */
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<number>
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  truncate(length: number): Promise<void>
  /** Data and length on disk. */
  sync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface Files {
  /** Opens for reading and writing; makes the file where `create` says so. */
  open(path: string, create: boolean): Promise<OpenFile>
  readFile(path: string): Promise<Uint8Array | undefined>
  rename(from: string, to: string): Promise<void>
  /** Removes a file; nothing happens where there is none. */
  remove(path: string): Promise<void>
  /** Removes a folder that is empty; nothing happens where there is none. */
  removeFolder(path: string): Promise<void>
  /** Names in a folder, sorted. Throws what the system says where there is none. */
  list(path: string): Promise<string[]>
  makeFolder(path: string): Promise<void>
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

export const systemFiles: Files = {
  async open(path, create) {
    const handle = await open(path, 'r+').catch((error: unknown) => {
      if (create && isMissing(error)) return open(path, 'wx+')
      throw error
    })
    return {
      read: async (bytes, offset, length, position) => (await handle.read(bytes, offset, length, position)).bytesRead,
      write: async (bytes, position) => {
        for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
      },
      truncate: length => handle.truncate(length),
      sync: () => handle.datasync(),
      size: async () => (await handle.stat()).size,
      close: () => handle.close(),
    }
  },
  readFile: path => readFile(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  }),
  rename,
  remove: path => rm(path, { force: true }),
  removeFolder: path => rmdir(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  }),
  list: async path => (await readdir(path)).sort(),
  async makeFolder(path) {
    const first = await mkdir(path, { recursive: true })
    if (first === undefined) return
    // The names of the new folders must be durable too: else all that is synced below them may vanish with them.
    const top = dirname(resolve(first))
    for (let above = dirname(resolve(path)); above.length >= top.length; above = dirname(above)) {
      await this.syncFolder(above)
      if (above === dirname(above)) break
    }
  },
  async syncFolder(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

function refused(path: string): Promise<never> {
  return Promise.reject(new Error(`${path}: these files are for reading alone`))
}

/** Files that nothing can change: for whoever only looks. */
export const readOnlyFiles: Files = {
  async open(path) {
    const handle = await open(path, 'r')
    return {
      read: async (bytes, offset, length, position) => (await handle.read(bytes, offset, length, position)).bytesRead,
      write: () => refused(path),
      truncate: () => refused(path),
      sync: () => refused(path),
      size: async () => (await handle.stat()).size,
      close: () => handle.close(),
    }
  },
  readFile: path => systemFiles.readFile(path),
  list: path => systemFiles.list(path),
  rename: refused,
  remove: refused,
  removeFolder: refused,
  makeFolder: refused,
  syncFolder: refused,
}

/** The text of a small file at once, for configs and what they name; undefined where there is none. Throws what else the system says. */
export function readTextNow(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The first line of a file, or as much of it as fits into 64 KiB. Throws what the system says. */
export function firstLineNow(path: string): string {
  const bytes = Buffer.alloc(65_536)
  const file = openSync(path, 'r')
  try {
    return bytes.subarray(0, readSync(file, bytes)).toString('latin1').split('\n', 1)[0] ?? ''
  } finally {
    closeSync(file)
  }
}

/** A text that changes when the file does; throws what the system says. */
export function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path)
  return `${mtimeMs} ${size} ${ino}`
}
