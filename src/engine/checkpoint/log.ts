/**
 * The cuts of one pipeline in a folder: an append-only file of records, the last valid one counts.
 *
 *     open: lock -> read all records -> cut off a torn tail
 *     append: write at the end -> fdatasync            (the cut is committed when this returns)
 *     compact, when more than half is outdated: write new file -> fsync -> rename over the old -> fsync folder
 *
 * A record that does not check with a valid one behind it is not a torn tail but damage: STATE_CORRUPT, and nothing is changed.
 * A failed write or fsync is final for this run: what is on disk is then unknown until the next open reads it.
 */
import { join } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import { failpoint, lockFolder } from '../../platform/index.ts'
import type { Files, FolderLock, OpenFile } from '../../platform/index.ts'
import type { GroupState } from '../messages.ts'
import { MAGIC, VERSION, decodeCut, encodeCut } from './record.ts'
import type { CutLog } from './cut-log.ts'
import type { Cut, DecodedCut } from './record.ts'

const FILE = 'checkpoints.log'
/** Below this a file is not worth rewriting. */
const COMPACT_MIN = 1024 * 1024

export class CheckpointLog implements CutLog {
  readonly transactional = false
  readonly #folder: string
  readonly #pipeline: string
  readonly #files: Files
  readonly #lock: FolderLock
  #file: OpenFile
  #end: number
  #id: number
  #last: DecodedCut | undefined
  readonly #groups: Map<string, GroupState>
  #failed: SluiceError | undefined
  /** Bytes that were cut off behind the last valid record. */
  readonly torn: number

  private constructor(parts: {
    folder: string
    pipeline: string
    files: Files
    lock: FolderLock
    file: OpenFile
    end: number
    torn: number
    last: DecodedCut | undefined
    groups: Map<string, GroupState>
  }) {
    this.#folder = parts.folder
    this.#pipeline = parts.pipeline
    this.#files = parts.files
    this.#lock = parts.lock
    this.#file = parts.file
    this.#end = parts.end
    this.#id = (parts.last?.id ?? 0) + 1
    this.#last = parts.last
    this.#groups = parts.groups
    this.torn = parts.torn
  }

  /** Opens the folder, making it where needed. Throws STATE_LOCKED, STATE_CORRUPT, STATE_VERSION or STATE_OTHER_PIPELINE. */
  static async open(folder: string, pipeline: string, files: Files): Promise<CheckpointLog> {
    await files.makeFolder(folder)
    const lock = await lockFolder(folder)
    try {
      const path = join(folder, FILE)
      const bytes = (await files.readFile(path)) ?? new Uint8Array(0)
      const { last, groups, end } = replay(bytes, path, pipeline)
      const file = await files.open(path, true)
      if (end < bytes.length) {
        await file.truncate(end)
        await file.sync()
      }
      await files.syncFolder(folder)
      return new CheckpointLog({ folder, pipeline, files, lock, file, end, torn: bytes.length - end, last, groups })
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** The last committed cut, with the memory of all stages; undefined before the first. */
  get last(): Cut | undefined {
    return this.#last === undefined ? undefined : { ...this.#last, groups: [...this.#groups.values()] }
  }

  /** Commits a cut. Not to be called again before it has answered. */
  async append(cut: Cut): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed
    const record = encodeCut(this.#pipeline, this.#id, cut)
    try {
      failpoint('checkpoint.begin')
      await this.#file.write(record, this.#end)
      failpoint('checkpoint.written')
      await this.#file.sync()
      failpoint('checkpoint.synced')
    } catch (error) {
      this.#failed = new SluiceError('STATE_FAILED', `The checkpoint could not be written to ${join(this.#folder, FILE)}: ${messageOf(error)}`, { cause: error })
      throw this.#failed
    }
    this.#end += record.length
    this.#last = { version: VERSION, pipeline: this.#pipeline, id: this.#id, ...cut }
    this.#id++
    fold(this.#groups, cut.groups)
    if (this.#end > COMPACT_MIN && this.#end > 2 * this.#liveBytes(record.length)) await this.#compact()
  }

  #liveBytes(record: number): number {
    let bytes = record
    for (const group of this.#groups.values()) bytes += group.bytes.length + 64
    return bytes
  }

  async #compact(): Promise<void> {
    const { last } = this
    if (last === undefined) return
    const path = join(this.#folder, FILE)
    const fresh = `${path}.new`
    await this.#files.remove(fresh)
    const record = encodeCut(this.#pipeline, this.#id - 1, last)
    const file = await this.#files.open(fresh, true)
    await file.write(record, 0)
    await file.sync()
    await this.#files.rename(fresh, path)
    await this.#files.syncFolder(this.#folder)
    await this.#file.close()
    this.#file = file
    this.#end = record.length
  }

  async close(): Promise<void> {
    await this.#file.close()
    await this.#lock.release()
  }
}

function replay(bytes: Uint8Array, path: string, pipeline: string): { last: DecodedCut | undefined; groups: Map<string, GroupState>; end: number } {
  const groups = new Map<string, GroupState>()
  let last: DecodedCut | undefined
  let at = 0
  while (at < bytes.length) {
    const read = decodeCut(bytes, at)
    if (read === 'torn') {
      if (validBehind(bytes, at)) {
        throw new SluiceError('STATE_CORRUPT', `${path} is damaged at byte ${at}: a valid checkpoint follows behind it. Nothing was changed.`)
      }
      break
    }
    if (read.cut.version > VERSION) throw new SluiceError('STATE_VERSION', `${path} was written by a newer version (format ${read.cut.version}; this one reads ${VERSION}).`)
    if (read.cut.pipeline !== pipeline) {
      throw new SluiceError('STATE_OTHER_PIPELINE', `${path} belongs to the pipeline "${read.cut.pipeline}", not to "${pipeline}".`)
    }
    last = read.cut
    fold(groups, read.cut.groups)
    at = read.end
  }
  return { last, groups, end: at }
}

/** True where a whole record stands somewhere behind `at`. */
function validBehind(bytes: Uint8Array, at: number): boolean {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(MAGIC, 0)
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let next = buffer.indexOf(magic, at + 1); next >= 0; next = buffer.indexOf(magic, next + 1)) {
    if (decodeCut(bytes, next) !== 'torn') return true
  }
  return false
}

/** Puts what changed in the place of what was known. */
export function fold(groups: Map<string, GroupState>, changed: readonly GroupState[]): void {
  for (const group of changed) groups.set(`${group.group} ${group.stage} ${group.table}`, group)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
