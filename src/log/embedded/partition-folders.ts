/** Where the storages of partitions come from: what the embedded log asks of the storage, beyond the port of one partition. */
import type { PartitionStorage, StorageSettings } from './storage/partition-port.ts'

export interface PartitionFolders {
  /** Opens the partition in a folder, making it where there is none. */
  open(folder: string, settings: StorageSettings): Promise<PartitionStorage>
  /** Takes the folder away with all that is in it. Nothing happens where there is none. */
  remove(folder: string): Promise<void>
  /** After the last partition was closed. */
  close?(): Promise<void>
}
