/**
 * A disk in memory that can lose power.
 *
 * What programs see (the page cache) and what is on disk are kept apart. A write, a truncation or a change of names is *pending* until a sync covers it; when the
 * power goes, any part of what is pending may be there and the rest not:
 *
 * - data of a file is pending until the file is synced. Each sector of 512 bytes of each pending write is kept or lost by itself, in any order; the length may
 *   have grown without the data (zeros).
 * - names (create, rename, remove, new folders) are pending until their folder is synced, whether or not the file itself was. A rename is one step: it happened
 *   or not. Otherwise any subset of pending changes may be there, which is harsher than file systems with a journal are.
 * - a sync covers what was finished before it was called, not what was written while it ran.
 * - a sync that failed leaves what it should have covered *lost*: visible until the power goes, but no later sync makes it durable. Linux does the same.
 *
 * Everything follows from the operations applied and the seed of the cut. Cost of a cut: a copy of all files.
 */
import { seededRandom } from './random.ts'

const SECTOR = 512

/** One finished call that changed something. `covers`: the number of operations that were finished when the sync was called. */
export type DiskOperation =
  | { readonly kind: 'create'; readonly path: string }
  | { readonly kind: 'write'; readonly file: number; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly file: number; readonly length: number }
  | { readonly kind: 'sync'; readonly file: number; readonly covers: number; readonly failed?: boolean }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'syncFolder'; readonly path: string; readonly covers: number; readonly failed?: boolean }

type DataChange = { readonly at: number; lost: boolean } & (
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly length: number }
)

interface NameChange {
  readonly at: number
  lost: boolean
  /** More than one for a rename: all of them happen or none. */
  readonly links: readonly { readonly folder: SimulatedFolder; readonly name: string; readonly node: SimulatedNode | undefined }[]
}

type SimulatedNode = SimulatedFile | SimulatedFolder

/** Bytes that grow. */
class Content {
  #bytes = new Uint8Array(0)
  length = 0

  static of(bytes: Uint8Array): Content {
    const content = new Content()
    content.write(0, bytes)
    return content
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  write(position: number, bytes: Uint8Array): void {
    this.resize(Math.max(this.length, position + bytes.length))
    this.#bytes.set(bytes, position)
  }

  resize(length: number): void {
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2, 64))
      larger.set(this.view())
      this.#bytes = larger
    }
    if (length < this.length) this.#bytes.fill(0, length, this.length)
    this.length = length
  }
}

export class SimulatedFile {
  readonly kind = 'file'
  readonly id: number
  readonly seen: Content
  durable: Content
  pending: DataChange[] = []

  constructor(id: number, content = new Content()) {
    this.id = id
    this.seen = content
    this.durable = content.length === 0 ? new Content() : Content.of(content.view())
  }
}

export class SimulatedFolder {
  readonly kind = 'folder'
  readonly seen: Map<string, SimulatedNode>
  durable: Map<string, SimulatedNode>
  pending: NameChange[] = []

  constructor(names = new Map<string, SimulatedNode>()) {
    this.seen = names
    this.durable = new Map(names)
  }
}

/** An error as the system gives it. */
export function systemError(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${call} '${path}'`), { code, syscall: call, path })
}

export function split(path: string): string[] {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts
}

export class SimulatedDisk {
  readonly root: SimulatedFolder
  /** Operations applied. */
  applied = 0
  readonly #files = new Map<number, SimulatedFile>()
  #nextId = 0
  /** False: nothing is remembered of what a power cut would take back, as if every change were durable. */
  readonly #losesPower: boolean

  constructor({ losesPower = true, root = new SimulatedFolder() }: { losesPower?: boolean; root?: SimulatedFolder } = {}) {
    this.#losesPower = losesPower
    this.root = root
    this.#adopt(root)
  }

  #adopt(folder: SimulatedFolder): void {
    for (const node of folder.seen.values()) {
      if (node.kind === 'folder') this.#adopt(node)
      else {
        this.#files.set(node.id, node)
        this.#nextId = Math.max(this.#nextId, node.id + 1)
      }
    }
  }

  node(path: string): SimulatedNode | undefined {
    let node: SimulatedNode | undefined = this.root
    for (const part of split(path)) node = node?.kind === 'folder' ? node.seen.get(part) : undefined
    return node
  }

  folder(path: string, call: string): SimulatedFolder {
    const node = this.node(path)
    if (node === undefined) throw systemError('ENOENT', call, path)
    if (node.kind !== 'folder') throw systemError('ENOTDIR', call, path)
    return node
  }

  file(id: number): SimulatedFile {
    const file = this.#files.get(id)
    if (file === undefined) throw systemError('EBADF', 'file', String(id))
    return file
  }

  /** Bytes that all named files hold. */
  used(folder = this.root): number {
    let bytes = 0
    for (const node of folder.seen.values()) bytes += node.kind === 'folder' ? this.used(node) : node.seen.length
    return bytes
  }

  /** Does an operation, or throws as the system would and does nothing. */
  apply(operation: DiskOperation): void {
    switch (operation.kind) {
      case 'create': {
        const { folder, name } = this.#parent(operation.path, 'open')
        const file = new SimulatedFile(this.#nextId++)
        this.#files.set(file.id, file)
        this.#change([{ folder, name, node: file }])
        break
      }
      case 'write':
        this.file(operation.file).seen.write(operation.position, operation.bytes)
        this.#pend(operation.file, { at: this.applied, lost: false, kind: 'write', position: operation.position, bytes: operation.bytes })
        break
      case 'truncate':
        this.file(operation.file).seen.resize(operation.length)
        this.#pend(operation.file, { at: this.applied, lost: false, kind: 'truncate', length: operation.length })
        break
      case 'sync':
        this.#sync(this.file(operation.file), operation.covers, operation.failed === true)
        break
      case 'rename':
        this.#rename(operation.from, operation.to)
        break
      case 'remove': {
        const { folder, name } = this.#parent(operation.path, 'unlink')
        const node = folder.seen.get(name)
        if (node === undefined) throw systemError('ENOENT', 'unlink', operation.path)
        if (node.kind === 'folder' && node.seen.size > 0) throw systemError('ENOTEMPTY', 'rmdir', operation.path)
        this.#change([{ folder, name, node: undefined }])
        break
      }
      case 'folder': {
        const { folder, name } = this.#parent(operation.path, 'mkdir')
        this.#change([{ folder, name, node: new SimulatedFolder() }])
        break
      }
      case 'syncFolder':
        this.#syncFolder(this.folder(operation.path, 'fsync'), operation.covers, operation.failed === true)
        break
      default:
        operation satisfies never
    }
    this.applied++
  }

  #parent(path: string, call: string): { folder: SimulatedFolder; name: string } {
    const parts = split(path)
    const name = parts.pop()
    if (name === undefined) throw systemError('EBUSY', call, path)
    return { folder: this.folder(parts.join('/'), call), name }
  }

  #rename(from: string, to: string): void {
    const source = this.#parent(from, 'rename')
    const target = this.#parent(to, 'rename')
    const node = source.folder.seen.get(source.name)
    if (node === undefined) throw systemError('ENOENT', 'rename', from)
    const there = target.folder.seen.get(target.name)
    if (there?.kind === 'folder' && there !== node && there.seen.size > 0) throw systemError('ENOTEMPTY', 'rename', to)
    this.#change([{ ...source, node: undefined }, { ...target, node }])
  }

  #change(links: NameChange['links']): void {
    const change: NameChange = { at: this.applied, lost: false, links }
    apply(change, 'seen')
    if (!this.#losesPower) return
    for (const folder of new Set(links.map(link => link.folder))) folder.pending.push(change)
  }

  #pend(id: number, change: DataChange): void {
    if (this.#losesPower) this.file(id).pending.push(change)
  }

  #sync(file: SimulatedFile, covers: number, failed: boolean): void {
    const keep: DataChange[] = []
    for (const change of file.pending) {
      if (change.at >= covers || change.lost) keep.push(change)
      else if (failed) keep.push(Object.assign(change, { lost: true }))
      else replay(file.durable, change)
    }
    file.pending = keep
  }

  #syncFolder(folder: SimulatedFolder, covers: number, failed: boolean): void {
    for (const change of [...folder.pending]) {
      if (change.at >= covers || change.lost) continue
      if (failed) {
        change.lost = true
        continue
      }
      apply(change, 'durable')
      for (const link of change.links) link.folder.pending = link.folder.pending.filter(other => other !== change)
    }
  }

  /** The disk as programs see it now, all of it durable: what a killed process leaves behind. */
  asSeen(): SimulatedDisk {
    const copy = (folder: SimulatedFolder): SimulatedFolder => new SimulatedFolder(new Map([...folder.seen].map(([name, node]) =>
      [name, node.kind === 'folder' ? copy(node) : new SimulatedFile(node.id, Content.of(node.seen.view()))] as const)))
    return new SimulatedDisk({ losesPower: this.#losesPower, root: copy(this.root) })
  }

  /** The disk as it may be after the power went now. One seed gives one of the legal outcomes; 0 the one that lost everything pending. */
  afterPowerCut(seed: number): SimulatedDisk {
    const cut = new PowerCut(seed)
    return new SimulatedDisk({ root: cut.folder(this.root) })
  }
}

function apply(change: NameChange, where: 'seen' | 'durable'): void {
  for (const { folder, name, node } of change.links) {
    if (node === undefined) folder[where].delete(name)
    else folder[where].set(name, node)
  }
}

function replay(content: Content, change: DataChange): void {
  if (change.kind === 'write') content.write(change.position, change.bytes)
  else content.resize(change.length)
}

/** How much of what is pending is kept. Most cuts mix; the pure ones are the usual cases and easy to read when they fail. */
type Mood = 'nothing' | 'everything' | 'prefix' | 'subset'

class PowerCut {
  readonly #random: () => number
  readonly #mood: Mood | 'mixed'
  readonly #kept = new Map<NameChange, boolean>()

  constructor(seed: number) {
    this.#random = seededRandom(seed, 0xc07)
    const dice = this.#random()
    this.#mood = seed === 0 || dice < 0.1 ? 'nothing' : dice < 0.2 ? 'everything' : 'mixed'
  }

  #moodOf(): Mood {
    if (this.#mood !== 'mixed') return this.#mood
    const dice = this.#random()
    return dice < 0.15 ? 'nothing' : dice < 0.3 ? 'everything' : dice < 0.6 ? 'prefix' : 'subset'
  }

  folder(folder: SimulatedFolder): SimulatedFolder {
    const mood = this.#moodOf()
    const prefix = this.#random() * (folder.pending.length + 1)
    const names = new Map(folder.durable)
    for (const [index, change] of folder.pending.entries()) {
      let kept = this.#kept.get(change)
      if (kept === undefined) {
        kept = mood === 'everything' || (mood === 'prefix' ? index < Math.floor(prefix) : mood === 'subset' && this.#random() < 0.5)
        this.#kept.set(change, kept)
      }
      if (!kept) continue
      for (const link of change.links) {
        if (link.folder !== folder) continue
        if (link.node === undefined) names.delete(link.name)
        else names.set(link.name, link.node)
      }
    }
    return new SimulatedFolder(new Map([...names].map(([name, node]) => [name, node.kind === 'folder' ? this.folder(node) : this.#file(node)] as const)))
  }

  #file(file: SimulatedFile): SimulatedFile {
    const content = Content.of(file.durable.view())
    const mood = this.#moodOf()
    const prefix = Math.floor(this.#random() * (file.pending.length + 1))
    for (const [index, change] of file.pending.entries()) {
      if (mood === 'everything' || (mood === 'prefix' && index < prefix)) replay(content, change)
      else if (mood === 'prefix' && index === prefix) this.#tear(content, change, false)
      else if (mood === 'subset') this.#tear(content, change, true)
    }
    return new SimulatedFile(file.id, content)
  }

  /** Part of one change: the first sectors, or any of them. */
  #tear(content: Content, change: DataChange, anyOrder: boolean): void {
    if (change.kind === 'truncate') {
      if (this.#random() < 0.5) content.resize(change.length)
      return
    }
    const { position, bytes } = change
    const end = position + bytes.length
    const stop = position + this.#random() * bytes.length
    // The new length may reach the disk before the data does: what lies between reads as zeros.
    if (this.#random() < 0.2) content.resize(Math.max(content.length, end))
    for (let from = position; from < end; ) {
      const to = Math.min(end, (Math.floor(from / SECTOR) + 1) * SECTOR)
      if (anyOrder ? this.#random() < 0.5 : to <= stop) content.write(from, bytes.subarray(from - position, to - position))
      from = to
    }
  }
}
