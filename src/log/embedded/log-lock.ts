/** Keeps two logs out of one folder: across processes by the platform's lock, within simulated files by a list. */
import { SluiceError } from '../../base/index.ts'
import { lockFolder, systemFiles } from '../../platform/index.ts'
import type { Files, FolderLock } from '../../platform/index.ts'
import { fileError } from './durable-file.ts'

const simulated = new WeakMap<Files, Set<string>>()

/** Throws LOG_LOCKED, naming who has the folder, or LOG_READ_ONLY. */
export async function lockLog(folder: string, files: Files): Promise<FolderLock> {
  if (files !== systemFiles) return lockSimulated(folder, files)
  try {
    return await lockFolder(folder)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw fileError(error, folder, 'written')
    if (error.code !== 'STATE_LOCKED') throw error
    throw new SluiceError('LOG_LOCKED', error.message.replace('The state folder', 'The log in').replace('another pipeline', 'another log'), { cause: error, place: folder })
  }
}

function lockSimulated(folder: string, files: Files): FolderLock {
  const held = simulated.get(files) ?? new Set()
  simulated.set(files, held)
  if (held.has(folder)) throw new SluiceError('LOG_LOCKED', `The log in ${folder} is in use by another log of this process.`, { place: folder })
  held.add(folder)
  return {
    release: async () => {
      held.delete(folder)
    },
  }
}
