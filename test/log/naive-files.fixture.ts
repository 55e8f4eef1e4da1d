/** The naive storage of partitions, kept in one file each: every append is written and synced by itself. */
import { encodeMarker, checkBatch } from '../../src/log/batch/index.ts'
import { readDurable, writeDurable } from '../../src/log/embedded/durable-file.ts'
import { NaiveDisk } from '../../src/log/embedded/naive-storage.fixture.ts'
import type { AppendedBatch, PartitionStorage, StorageSettings } from '../../src/log/embedded/storage/partition-port.ts'
import type { Files } from '../../src/platform/index.ts'

export async function openNaive(folder: string, settings: StorageSettings, { files }: { readonly files: Files }): Promise<PartitionStorage> {
  await files.makeFolder(folder)
  const file = await files.open(`${folder}/0.log`, true)
  await files.syncFolder(folder)
  const inner = await new NaiveDisk().open(folder, settings)
  const bytes = (await files.readFile(`${folder}/0.log`)) ?? new Uint8Array(0)
  let at = 0
  for (let check = checkBatch(bytes, at); check.ok; check = checkBatch(bytes, at)) {
    await inner.append(bytes.slice(at, at + check.length))
    at += check.length
    if (at === bytes.length) break
  }
  await file.truncate(at)
  await file.sync()
  // The checksum fitted, so this is what was written below.
  const start = (await readDurable(files, `${folder}/start`)) as { readonly start: string } | undefined
  if (start !== undefined) await inner.deleteBefore(BigInt(start.start))
  let row: Promise<unknown> = Promise.resolve()
  const serial = <T>(work: () => Promise<T>): Promise<T> => {
    const done = row.then(work)
    row = done.catch(() => undefined)
    return done
  }
  const append = (batch: Uint8Array): Promise<AppendedBatch> => serial(async () => {
    const result = await inner.append(batch)
    if (result.duplicate) return result
    await file.write(batch, at)
    at += batch.length
    await file.sync()
    return result
  })
  const own: Partial<PartitionStorage> = {
    append,
    appendMarker: (producerId, epoch, commit) => append(encodeMarker({ producerId, epoch, commit, timestamp: 0 })),
    deleteBefore: offset => serial(async () => {
      await writeDurable(files, `${folder}/start`, { start: String(offset < inner.end ? offset : inner.end) })
      return inner.deleteBefore(offset)
    }),
    close: () => serial(async () => {
      await inner.close()
      await file.close()
    }),
  }
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(name in own ? own : target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
