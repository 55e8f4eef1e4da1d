/**
 * Files in memory, for tests: they remember what was asked of them, fail when told to, and can be cut from power after any operation.
 *
 *     const files = new SimulatedFiles({ seed: 1 })
 *     files.failures = failSync(3, 'EIO')
 *     ... use it ...
 *     const after = files.cut(files.trace.length, 7)     // one of the ways the folder may look after a power cut
 *
 * A call takes effect when it finishes, some turns of the promise queue after it began, so calls that were not awaited may change places. The bytes of a write are
 * taken at that moment: a caller that changes its buffer too early writes the change. Everything depends on the seed alone.
 */
import type { Files, OpenFile } from './files.ts'
import { seededRandom } from './random.ts'
import { SimulatedDisk, SimulatedFile, split, systemError } from './simulated-disk.ts'
import type { DiskOperation, SimulatedFolder } from './simulated-disk.ts'

/** A call, before it takes effect. */
export interface FileCall {
  /** Counts from 1 over all calls. */
  readonly number: number
  readonly kind: 'open' | 'read' | 'write' | 'truncate' | 'sync' | 'size' | 'close' | 'readFile' | 'rename' | 'remove' | 'makeFolder' | 'syncFolder' | 'list'
  readonly path: string
  /** Bytes to be written or read. */
  readonly length: number
}

/** What becomes of a call: an error of that code, after so many bytes of a write were done; or it never returns, nor does any later one. */
export type Failure = { readonly code: string; readonly written?: number } | 'stop'

export type FailurePlan = (call: FileCall, files: SimulatedFiles) => Failure | undefined

const CHANGES = new Set<FileCall['kind']>(['write', 'truncate', 'rename', 'remove', 'makeFolder'])

/** Fails the n-th sync of a file (counted from now), or all from the n-th on. What it covered is lost at the next power cut, whatever later syncs say. */
export function failSync(nth: number, { code = 'EIO', onwards = false, path = /./ } = {}): FailurePlan {
  let count = 0
  return call => {
    if (call.kind !== 'sync' || !path.test(call.path)) return undefined
    count++
    return count === nth || (onwards && count > nth) ? { code } : undefined
  }
}

/** The n-th call (counted from now) of these kinds fails. */
export function failCall(nth: number, { code = 'EIO', kinds, path = /./ }: { code?: string; kinds?: readonly FileCall['kind'][]; path?: RegExp } = {}): FailurePlan {
  let count = 0
  return call => (kinds === undefined || kinds.includes(call.kind)) && path.test(call.path) && ++count === nth ? { code } : undefined
}

/** A volume of so many bytes: a write that does not fit writes what fits, then fails. */
export function fullAt(capacity: number): FailurePlan {
  return (call, files) => {
    if (call.kind === 'write' && files.used() + call.length > capacity) return { code: 'ENOSPC', written: Math.max(0, capacity - files.used()) }
    if (call.kind === 'makeFolder' && files.used() >= capacity) return { code: 'ENOSPC' }
    return undefined
  }
}

/** A volume that is mounted read-only. */
export function readOnly(): FailurePlan {
  return (call, files) => (CHANGES.has(call.kind) || (call.kind === 'open' && files.isNew(call)) ? { code: 'EROFS' } : undefined)
}

/** The n-th write (counted from now) does so many bytes, then fails. */
export function shortWrite(nth: number, written: number, code = 'EIO'): FailurePlan {
  let count = 0
  return call => (call.kind === 'write' && ++count === nth ? { code, written } : undefined)
}

/** From the n-th call (counted from now) on nothing returns: the process is gone. */
export function stopAt(nth: number): FailurePlan {
  let count = 0
  return () => (++count >= nth ? 'stop' : undefined)
}

/** The first plan that has something to say decides; all of them see every call. */
export function plans(...all: readonly FailurePlan[]): FailurePlan {
  return (call, files) => all.map(plan => plan(call, files)).find(failure => failure !== undefined)
}

export interface SimulatedFilesOptions {
  /** Decides how long calls take against each other. */
  readonly seed?: number
  /** False: no trace, no power cuts, each byte kept once. Default true. */
  readonly record?: boolean
  readonly disk?: SimulatedDisk
}

const NEVER = new Promise<never>(() => undefined)

export class SimulatedFiles implements Files {
  /** What was done, in order. Operation `n` is `trace[n - 1]`. */
  readonly trace: DiskOperation[] = []
  failures: FailurePlan | undefined
  /** Calls so far. */
  calls = 0
  /** Files that are open now. */
  openFiles = 0
  readonly #disk: SimulatedDisk
  readonly #start: SimulatedDisk | undefined
  readonly #random: () => number
  #stopped = false
  #replay: SimulatedDisk | undefined

  constructor({ seed = 1, record = true, disk }: SimulatedFilesOptions = {}) {
    this.#disk = disk ?? new SimulatedDisk({ losesPower: record })
    this.#start = record ? this.#disk.asSeen() : undefined
    this.#random = seededRandom(seed, 0xf11e)
  }

  async open(path: string, create: boolean): Promise<OpenFile> {
    const disk = this.#disk
    return this.#call('open', path, 0, () => {
      let node = disk.node(path)
      if (node === undefined) {
        if (!create) throw systemError('ENOENT', 'open', path)
        this.#do({ kind: 'create', path })
        node = disk.node(path)
      }
      if (!(node instanceof SimulatedFile)) throw systemError('EISDIR', 'open', path)
      this.openFiles++
      return this.#handle(node, path)
    })
  }

  #handle(file: SimulatedFile, path: string): OpenFile {
    let open = true
    const call = <T>(kind: FileCall['kind'], length: number, work: () => T, part?: (written: number) => void): Promise<T> => this.#call(kind, path, length, () => {
      if (!open) throw systemError('EBADF', kind, path)
      return work()
    }, part)
    // A copy, which `slice` of a Buffer is not: the caller may use its array for something else once the write has returned.
    const write = (bytes: Uint8Array, position: number): void => this.#do({ kind: 'write', file: file.id, position, bytes: new Uint8Array(bytes) })
    return {
      read: (bytes, offset, length, position) => call('read', length, () => {
        const part = file.seen.view().subarray(position, position + length)
        bytes.set(part, offset)
        return part.length
      }),
      write: (bytes, position) => call('write', bytes.length, () => write(bytes, position), written => {
        if (written > 0) write(bytes.subarray(0, written), position)
      }),
      truncate: length => call('truncate', 0, () => this.#do({ kind: 'truncate', file: file.id, length })),
      sync: () => {
        const covers = this.#disk.applied
        return call('sync', 0, () => this.#do({ kind: 'sync', file: file.id, covers }), () => this.#do({ kind: 'sync', file: file.id, covers, failed: true }))
      },
      size: () => call('size', 0, () => file.seen.length),
      close: () => call('close', 0, () => {
        open = false
        this.openFiles--
      }),
    }
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    return this.#call('readFile', path, 0, () => {
      const node = this.#disk.node(path)
      if (node === undefined) return undefined
      if (node.kind === 'folder') throw systemError('EISDIR', 'read', path)
      return node.seen.view().slice()
    })
  }

  async rename(from: string, to: string): Promise<void> {
    return this.#call('rename', from, 0, () => this.#do({ kind: 'rename', from, to }))
  }

  async remove(path: string): Promise<void> {
    return this.#call('remove', path, 0, () => {
      const node = this.#disk.node(path)
      if (node?.kind === 'folder') throw systemError('EISDIR', 'rm', path)
      if (node !== undefined) this.#do({ kind: 'remove', path })
    })
  }

  async removeFolder(path: string): Promise<void> {
    return this.#call('remove', path, 0, () => {
      const node = this.#disk.node(path)
      if (node?.kind === 'file') throw systemError('ENOTDIR', 'rmdir', path)
      if (node !== undefined) this.#do({ kind: 'remove', path })
    })
  }

  async makeFolder(path: string): Promise<void> {
    return this.#call('makeFolder', path, 0, () => this.#makeFolders(path))
  }

  #makeFolders(path: string): void {
    const parts = split(path)
    for (let depth = 1; depth <= parts.length; depth++) {
      const part = `/${parts.slice(0, depth).join('/')}`
      const node = this.#disk.node(part)
      if (node === undefined) {
        this.#do({ kind: 'folder', path: part })
        // As the real one does: the names of new folders are durable when it returns.
        this.#do({ kind: 'syncFolder', path: `/${parts.slice(0, depth - 1).join('/')}`, covers: this.#disk.applied })
      } else if (node.kind === 'file') throw systemError('ENOTDIR', 'mkdir', path)
    }
  }

  async syncFolder(path: string): Promise<void> {
    const covers = this.#disk.applied
    return this.#call('syncFolder', path, 0, () => this.#do({ kind: 'syncFolder', path, covers }), () => this.#do({ kind: 'syncFolder', path, covers, failed: true }))
  }

  async list(path: string): Promise<string[]> {
    return this.#call('list', path, 0, () => [...this.#disk.folder(path, 'scandir').seen.keys()].sort())
  }

  /** One call: some turns of waiting, the failure that was planned or the work, some more turns. */
  async #call<T>(kind: FileCall['kind'], path: string, length: number, work: () => T, part?: (written: number) => void): Promise<T> {
    if (this.#stopped) return NEVER
    const call: FileCall = { number: ++this.calls, kind, path, length }
    await this.#turns()
    const failure = this.#stopped ? 'stop' : this.failures?.(call, this)
    if (failure === 'stop') {
      this.#stopped = true
      return NEVER
    }
    if (failure !== undefined) {
      part?.(failure.written ?? 0)
      await this.#turns()
      throw systemError(failure.code, kind, path)
    }
    const result = work()
    await this.#turns()
    return this.#stopped ? NEVER : result
  }

  /** Mostly short, now and then long enough for whoever did not wait to be found out. */
  async #turns(): Promise<void> {
    const most = this.#random() < 0.1 ? 60 : 4
    for (let turns = Math.floor(this.#random() * most); turns > 0; turns--) await Promise.resolve()
  }

  #do(operation: DiskOperation): void {
    this.#disk.apply(operation)
    if (this.#start !== undefined) this.trace.push(operation)
  }

  /** Nothing returns from now on: the process is gone. */
  stop(): void {
    this.#stopped = true
  }

  /** What the folder may look like when the power went after so many operations of the trace. Going forward through a trace is cheap. */
  cut(after: number, seed: number): SimulatedFiles {
    if (this.#start === undefined) throw new Error('These files keep no trace.')
    if (this.#replay === undefined || this.#replay.applied > after) this.#replay = this.#start.asSeen()
    for (const operation of this.trace.slice(this.#replay.applied, after)) this.#replay.apply(operation)
    return new SimulatedFiles({ seed, disk: this.#replay.afterPowerCut(seed) })
  }

  /** What a killed process leaves behind: all that it wrote, synced or not. */
  afterKill(seed = 1): SimulatedFiles {
    return new SimulatedFiles({ seed, disk: this.#disk.asSeen() })
  }

  /** Bytes that all files hold. */
  used(): number {
    return this.#disk.used()
  }

  /** Whether the call would make a file. */
  isNew(call: FileCall): boolean {
    return this.#disk.node(call.path) === undefined
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    const found: string[] = []
    const walk = (folder: SimulatedFolder, at: string): void => {
      for (const [name, node] of folder.seen) {
        if (node.kind === 'folder') walk(node, `${at}/${name}`)
        else found.push(`${at}/${name}`)
      }
    }
    walk(this.#disk.root, '')
    return found.sort()
  }

  /** A copy of the bytes of a file, without a call. */
  peek(path: string): Uint8Array {
    const node = this.#disk.node(path)
    if (!(node instanceof SimulatedFile)) throw systemError('ENOENT', 'peek', path)
    return node.seen.view().slice()
  }

  /** Changes a file behind the back of the program, durably: what a failing disk or a careless hand does. */
  tamper(path: string, bytes: Uint8Array): void {
    const node = this.#disk.node(path)
    if (!(node instanceof SimulatedFile)) throw systemError('ENOENT', 'tamper', path)
    const covers = this.#disk.applied + 2
    this.#do({ kind: 'truncate', file: node.id, length: 0 })
    this.#do({ kind: 'write', file: node.id, position: 0, bytes: bytes.slice() })
    this.#do({ kind: 'sync', file: node.id, covers })
  }
}
