/**
 * Keeps two processes out of one state folder.
 *
 * The lock is a file that holds the process id and the moment the process started. It appears whole under its name, by a link that only one can make, so that nobody ever
 * sees it half-written. A lock whose process is gone, or whose id now belongs to a process that started at another moment, is stale and is taken over.
 */
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '../base/index.ts'

export interface FolderLock {
  release(): Promise<void>
}

const held = new Set<string>()
let made = 0

/** Locks a folder. Throws STATE_LOCKED, naming the process that holds it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, 'lock')
  if (held.has(path)) throw new SluiceError('STATE_LOCKED', `The state folder ${folder} is in use by another pipeline of this process.`)
  const holder = await take(path, `${process.pid} ${await startOf(process.pid)}`)
  if (holder !== undefined) throw new SluiceError('STATE_LOCKED', `The state folder ${folder} is in use by process ${holder}.`)
  held.add(path)
  return {
    release: async () => {
      held.delete(path)
      await rm(path, { force: true })
    },
  }
}

/** Takes a lock; answers the id of the process that has it, or is about to, where that one lives. */
async function take(path: string, own: string): Promise<string | undefined> {
  for (;;) {
    if (await create(path, own)) return undefined
    const holder = await readFile(path, 'utf8').catch(() => undefined)
    if (holder === undefined) continue
    const [pid = '', ...start] = holder.split(' ')
    const alive = await startOf(Number(pid))
    if (alive !== undefined && alive === start.join(' ')) return pid
    const outcome = await takeOver(path, holder, own)
    if (outcome !== 'gone') return outcome === 'taken' ? undefined : outcome
  }
}

/**
 * Takes over a lock that is stale. Only who holds the second lock, which belongs to this one holder that is gone, may replace it; and he does so only while it is
 * still there. So each stale lock has one heir, however late another one comes who saw it too.
 */
export async function takeOver(path: string, stale: string, own: string): Promise<string> {
  const second = `${path}.${Buffer.from(stale).toString('hex').slice(0, 60)}.heir`
  const other = await take(second, own)
  if (other !== undefined) return other
  try {
    if ((await readFile(path, 'utf8').catch(() => undefined)) !== stale) return 'gone'
    const whole = await writeWhole(path, own)
    await rename(whole, path)
    return 'taken'
  } finally {
    await rm(second, { force: true })
  }
}

/** Writes a text under a name that nobody else uses. */
async function writeWhole(path: string, text: string): Promise<string> {
  const whole = `${path}.${process.pid}-${++made}`
  const handle = await open(whole, 'w')
  try {
    await handle.writeFile(text)
  } finally {
    await handle.close()
  }
  return whole
}

/** Makes the lock; false where there is one. */
async function create(path: string, text: string): Promise<boolean> {
  const whole = await writeWhole(path, text)
  try {
    await link(whole, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // Volumes without links: a file that is made and then written.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error))) throw error
    return await createHere(path, text)
  } finally {
    await rm(whole, { force: true })
  }
}

async function createHere(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx')
    await handle.writeFile(text)
    await handle.close()
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** When a process started, as the system counts; `unknown` where it does not tell; undefined where there is no such process. */
async function startOf(pid: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat !== undefined) {
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A process that ended and that nobody waited for keeps its id, for ever where the first process of a container does not care. It holds nothing.
    return /[ZX]/.test(state) ? undefined : fields[18] ?? 'unknown'
  }
  try {
    process.kill(pid, 0)
    return process.platform === 'linux' ? undefined : 'unknown'
  } catch {
    return undefined
  }
}
