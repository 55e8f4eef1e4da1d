/**
 * What a stage remembers between events: tables by key, cut into 256 key groups.
 *
 * A key's group is fixed by its hash, so that a snapshot can be restored at another number of workers: groups move, keys never change theirs. Behind
 * `partition_by` the partition key decides the group and is part of the key: every partition then has a memory of its own.
 *
 * Each group has its own share of the table's capacity and forgets its own least recently used key, so that what is forgotten does not depend on
 * who else lives on the same worker. Entries are linked in the order of use: moving one to the end makes no garbage, as putting it anew into a map would.
 */
import { deserialize, serialize } from 'node:v8'
import type { State, StateTable } from './component.ts'

export const KEY_GROUPS = 256

/** The key group of a key: FNV-1a (32 bit) over its UTF-16 code units, folded to 8 bits. */
export function keyGroup(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  hash ^= hash >>> 16
  return (hash ^ (hash >>> 8)) & (KEY_GROUPS - 1)
}

export interface TableGroup {
  readonly table: string
  readonly group: number
  readonly bytes: Uint8Array
}

/** Separates the partition from the stage's own key; both are cut off by length, so that no text can forge it. */
function compose(partition: string | undefined, key: string): string {
  return partition === undefined ? key : `${partition.length}:${partition}${key}`
}

interface Entry<V> {
  readonly full: string
  readonly key: string
  readonly partition: string | undefined
  value: V
  older: Entry<V> | undefined
  newer: Entry<V> | undefined
}

/** The entries of one key group, in the order of use. */
class Group<V> {
  readonly #entries = new Map<string, Entry<V>>()
  #oldest: Entry<V> | undefined
  #newest: Entry<V> | undefined

  get size(): number {
    return this.#entries.size
  }

  /** An entry, which is now the one used last. */
  use(full: string): Entry<V> | undefined {
    const entry = this.#entries.get(full)
    if (entry === undefined || entry === this.#newest) return entry
    this.#unlink(entry)
    this.#append(entry)
    return entry
  }

  add(full: string, key: string, partition: string | undefined, value: V): void {
    const entry: Entry<V> = { full, key, partition, value, older: undefined, newer: undefined }
    this.#entries.set(full, entry)
    this.#append(entry)
  }

  delete(full: string): boolean {
    const entry = this.#entries.get(full)
    if (entry === undefined) return false
    this.#entries.delete(full)
    this.#unlink(entry)
    return true
  }

  forgetOldest(): void {
    if (this.#oldest !== undefined) this.delete(this.#oldest.full)
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = undefined
    this.#newest = undefined
  }

  /** As they are now, the one used longest ago first. */
  list(): Entry<V>[] {
    const entries: Entry<V>[] = []
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) entries.push(entry)
    return entries
  }

  #append(entry: Entry<V>): void {
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  #unlink({ older, newer }: Entry<V>): void {
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }
}

class Table<V> implements StateTable<V> {
  readonly groups: readonly Group<V>[] = Array.from({ length: KEY_GROUPS }, () => new Group<V>())
  /** 1 for each group that was touched since it was last handed over. */
  readonly dirty = new Uint8Array(KEY_GROUPS)
  readonly #memory: StageMemory
  readonly #most: number

  constructor(memory: StageMemory, keysMax: number) {
    this.#memory = memory
    this.#most = Math.ceil(keysMax / KEY_GROUPS)
  }

  get(key: string): V | undefined {
    const number = this.#group(key)
    const entry = this.groups[number]?.use(compose(this.#memory.partition, key))
    if (entry === undefined) return undefined
    this.dirty[number] = 1
    return entry.value
  }

  set(key: string, value: V): void {
    const { partition } = this.#memory
    const full = compose(partition, key)
    const number = this.#group(key)
    const group = this.groups[number]
    if (group === undefined) return
    this.dirty[number] = 1
    const entry = group.use(full)
    if (entry !== undefined) {
      entry.value = value
      return
    }
    if (group.size >= this.#most) group.forgetOldest()
    group.add(full, key, partition, value)
  }

  delete(key: string): void {
    const number = this.#group(key)
    if (this.groups[number]?.delete(compose(this.#memory.partition, key)) === true) this.dirty[number] = 1
  }

  *entries(): IterableIterator<readonly [string, V]> {
    const { only, partition: before } = this.#memory
    try {
      for (let group = 0; group < KEY_GROUPS; group++) {
        if (only !== undefined && group !== only) continue
        // A copy, so that the caller may delete what it is handed: until it asks for the next one, it stands in that one's partition.
        for (const { key, partition, value } of this.groups[group]?.list() ?? []) {
          this.#memory.partition = partition
          yield [key, value]
        }
      }
    } finally {
      this.#memory.partition = before
    }
  }

  get size(): number {
    return this.groups.reduce((sum, group) => sum + group.size, 0)
  }

  #group(key: string): number {
    return keyGroup(this.#memory.partition ?? key)
  }
}

export class StageMemory implements State {
  /** The partition of the event that is being worked on; the engine sets it before each event behind `partition_by`. */
  partition: string | undefined = undefined
  /** While set, `entries` shows this group alone. */
  only: number | undefined = undefined
  readonly #tables = new Map<string, Table<unknown>>()
  readonly #restored: readonly TableGroup[]
  readonly #owns: (group: number) => boolean

  constructor(restored: readonly TableGroup[], owns: (group: number) => boolean) {
    this.#restored = restored
    this.#owns = owns
  }

  table<V>(name: string, options: { readonly keysMax: number }): StateTable<V> {
    const known = this.#tables.get(name)
    if (known !== undefined) return known as Table<V> // The stage asks for one name with one type.
    const table = new Table<V>(this, options.keysMax)
    for (const part of this.#restored) {
      if (part.table !== name || !this.#owns(part.group)) continue
      const group = table.groups[part.group]
      for (const [full, key, partition, value] of deserialize(part.bytes) as [string, string, string | undefined, V][]) group?.add(full, key, partition, value) // Written by `changed`.
    }
    this.#tables.set(name, table)
    return table
  }

  /** Forgets everything. */
  clear(): void {
    for (const table of this.#tables.values()) {
      table.groups.forEach((group, number) => {
        if (group.size === 0) return
        group.clear()
        table.dirty[number] = 1
      })
    }
  }

  /** The groups that changed since the last call, whole, in order of use. */
  changed(): TableGroup[] {
    const result: TableGroup[] = []
    for (const [name, table] of this.#tables) {
      for (let group = 0; group < KEY_GROUPS; group++) {
        if (table.dirty[group] !== 1) continue
        const entries = (table.groups[group]?.list() ?? []).map(({ full, key, partition, value }) => [full, key, partition, value])
        result.push({ table: name, group, bytes: copied(serialize(entries)) })
      }
      table.dirty.fill(0)
    }
    return result
  }
}

/** Bytes in a buffer of their own, so that they can be given away. */
function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}
