/**
 * What a stage remembers between events: tables by key, cut into 256 key groups.
 *
 * A key's group is fixed by its hash, so that a snapshot can be restored at another number of workers: groups move, keys never change theirs. Behind
 * `partition_by` the partition key decides the group and is part of the key: every partition then has a memory of its own.
 *
 * Each group has its own share of the table's capacity and forgets its own least recently used key, so that what is forgotten does not depend on
 * who else lives on the same worker. Map order is the order of use: a key that is used is put last.
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

class Table<V> implements StateTable<V> {
  readonly groups: Map<string, { readonly key: string; readonly partition: string | undefined; readonly value: V }>[] = Array.from({ length: KEY_GROUPS }, () => new Map())
  readonly dirty = new Set<number>()
  readonly #memory: StageMemory
  readonly #most: number

  constructor(memory: StageMemory, keysMax: number) {
    this.#memory = memory
    this.#most = Math.ceil(keysMax / KEY_GROUPS)
  }

  get(key: string): V | undefined {
    const full = compose(this.#memory.partition, key)
    const number = this.#group(key)
    const group = this.groups[number]
    const entry = group?.get(full)
    if (group === undefined || entry === undefined) return undefined
    group.delete(full)
    group.set(full, entry)
    this.dirty.add(number)
    return entry.value
  }

  set(key: string, value: V): void {
    const full = compose(this.#memory.partition, key)
    const number = this.#group(key)
    const group = this.groups[number]
    if (group === undefined) return
    if (!group.delete(full) && group.size >= this.#most) {
      const oldest = group.keys().next()
      if (oldest.done !== true) group.delete(oldest.value)
    }
    group.set(full, { key, partition: this.#memory.partition, value })
    this.dirty.add(number)
  }

  delete(key: string): void {
    const number = this.#group(key)
    if (this.groups[number]?.delete(compose(this.#memory.partition, key)) === true) this.dirty.add(number)
  }

  *entries(): IterableIterator<readonly [string, V]> {
    const { only, partition: before } = this.#memory
    try {
      for (let group = 0; group < KEY_GROUPS; group++) {
        if (only !== undefined && group !== only) continue
        // A copy, so that the caller may delete what it is handed: until it asks for the next one, it stands in that one's partition.
        for (const { key, partition, value } of [...(this.groups[group]?.values() ?? [])]) {
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
      for (const [full, key, partition, value] of deserialize(part.bytes) as [string, string, string | undefined, V][]) group?.set(full, { key, partition, value }) // Written by `changed`.
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
        table.dirty.add(number)
      })
    }
  }

  /** The groups that changed since the last call, whole, in order of use. */
  changed(): TableGroup[] {
    const result: TableGroup[] = []
    for (const [name, table] of this.#tables) {
      for (const group of table.dirty) {
        const entries = [...(table.groups[group] ?? [])].map(([full, { key, partition, value }]) => [full, key, partition, value])
        result.push({ table: name, group, bytes: copied(serialize(entries)) })
      }
      table.dirty.clear()
    }
    return result
  }
}

/** Bytes in a buffer of their own, so that they can be given away. */
function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}
