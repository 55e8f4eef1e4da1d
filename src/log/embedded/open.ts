/** Opens a log in a folder, or in memory for tests: the same code on simulated files. */
import { resolve } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import { systemClock, systemFiles, systemRandom } from '../../platform/index.ts'
import type { Clock, Files } from '../../platform/index.ts'
import type { Durability } from '../log.ts'
import { removeFolder } from './durable-file.ts'
import { EmbeddedLog } from './embedded-log.ts'
import type { PartitionFolders } from './partition-folders.ts'
import { openPartition } from './storage/index.ts'
import type { PartitionStorage, StorageSettings } from './storage/partition-port.ts'

export interface StorageGround {
  readonly files: Files
  readonly clock: Clock
  readonly warn: (message: string) => void
}

export interface EmbeddedOptions {
  /** What an acknowledgement means where a topic does not say. Default `fsync`. */
  readonly durability?: Durability | undefined
  /** Told what a person should know: a torn tail that was cut, a member that was dropped. Default: nobody. */
  readonly warn?: ((message: string) => void) | undefined
  /** Milliseconds between two rounds of retention and compaction; default a minute. */
  readonly cleanEvery?: number | undefined
  readonly files?: Files | undefined
  readonly clock?: Clock | undefined
  /** At least 0, below 1. */
  readonly random?: (() => number) | undefined
  /** Gives the storage a thread of its own: checks, writes and reads then cost the calling thread nothing but a message. Only for a folder, on the machine's clock. */
  readonly thread?: boolean | undefined
  /** Opens the storage of one partition in its folder. Default: segments, see `storage/`. */
  readonly storage?: ((folder: string, settings: StorageSettings, ground: StorageGround) => Promise<PartitionStorage>) | undefined
}

/** Throws LOG_LOCKED, LOG_FORMAT, LOG_CORRUPT or LOG_READ_ONLY where it can't be opened; nothing was changed then. */
export async function openLog(place: string | { readonly memory: true }, options: EmbeddedOptions = {}): Promise<EmbeddedLog> {
  const { durability = 'fsync', warn = () => undefined, cleanEvery = 60_000, clock = systemClock, random = systemRandom, storage = openPartition } = options
  const files = options.files ?? (typeof place === 'string' ? systemFiles : await memory())
  const folder = typeof place === 'string' ? resolve(place) : '/memory'
  const remove = (path: string): Promise<void> => removeFolder(files, path)
  const folders = options.thread === true ? await threadFolders(options, typeof place === 'string', remove) : { open: inFolder(storage, { files, clock, warn }), remove }
  return EmbeddedLog.open({ folder, files, clock, random, durability, cleanEvery, warn, folders })
}

function inFolder(storage: NonNullable<EmbeddedOptions['storage']>, ground: StorageGround): PartitionFolders['open'] {
  return (path, settings) => storage(path, settings, ground)
}

/** Loaded when it is needed: most logs work on the calling thread. */
async function threadFolders({ files, clock, storage, warn = () => undefined }: EmbeddedOptions, isFolder: boolean, remove: PartitionFolders['remove']): Promise<PartitionFolders> {
  if (!isFolder || files !== undefined || storage !== undefined || (clock !== undefined && clock !== systemClock)) {
    throw new SluiceError('LOG_SETTING', 'A log with a thread of its own needs a folder, and the files and the clock of the machine: another thread can\'t share others.')
  }
  const { StorageThread } = await import('./storage-thread.ts')
  const thread = new StorageThread(warn)
  return { open: (path, settings) => thread.open(path, settings), remove, close: () => thread.close() }
}

/** Loaded when it is needed: programs on disk do without. */
async function memory(): Promise<Files> {
  const { SimulatedFiles } = await import('../../platform/simulated-files.ts')
  return new SimulatedFiles({ record: false })
}
