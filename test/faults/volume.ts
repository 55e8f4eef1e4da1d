/** A small volume that fills: a tmpfs, which only root can mount. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Volume {
  readonly folder: string
  /** Bytes that are free. */
  free(): number
  /** Leaves so many bytes free at most. */
  fill(left: number): void
  /** Gives back what `fill` took. */
  clear(): void
  /** Takes all files away. */
  empty(): void
  dispose(): void
}

/** A volume of so many bytes, or why there is none. */
export function smallVolume(bytes: number): Volume | string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-volume-'))
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(folder, { recursive: true })
    return `a small volume can't be mounted here: ${(error?.message ?? stderr).trim()}`
  }
  const free = (): number => {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  }
  const ballast = join(folder, 'ballast')
  const dispose = (): void => {
    spawnSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true, force: true })
  }
  // Also where the tests end in an unusual way.
  process.once('exit', dispose)
  return {
    folder,
    free,
    fill: left => appendFileSync(ballast, Buffer.alloc(Math.max(0, free() - left))),
    clear: () => writeFileSync(ballast, ''),
    empty: () => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
    },
    dispose: () => {
      process.removeListener('exit', dispose)
      dispose()
    },
  }
}
