/** Takes a pipeline's file up again: at SIGHUP, and with `--watch` when one of its files has changed. What became of it is told by the run. */
import { stat } from 'node:fs/promises'
import type { RunningFile } from '../runtime.ts'
import type { Io } from './io.ts'

/** Milliseconds between two looks at the files. They are looked at and not watched: editors replace files, and some file systems tell nothing. */
const LOOK_EVERY = 300

export class Reloading {
  readonly #watches: boolean
  readonly #undo: () => void
  #running: RunningFile | undefined
  #timer: NodeJS.Timeout | undefined
  /** What the files were when they were last looked at, by path. */
  #seen: ReadonlyMap<string, string> = new Map()
  #isBusy = false
  #isWanted = false

  constructor(io: Io, watches: boolean) {
    this.#watches = watches
    this.#undo = io.onHangup(() => void this.#reload())
  }

  begin(running: RunningFile): void {
    this.#running = running
    if (this.#watches) void this.#look()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#running = undefined
    this.#undo()
  }

  async #look(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    const now = new Map(await Promise.all(running.files.map(async path => [path, await stateOf(path)] as const)))
    const before = this.#seen
    // Taken before the reload: what is written while that goes on is found by the next look. A file that is new was read by the reload that brought it.
    this.#seen = now
    if ([...now].some(([path, state]) => (before.get(path) ?? state) !== state)) await this.#reload()
    if (this.#running === undefined) return
    this.#timer = setTimeout(() => void this.#look(), LOOK_EVERY)
    this.#timer.unref()
  }

  /** One at a time; what is asked for meanwhile follows. */
  async #reload(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    if (this.#isBusy) {
      this.#isWanted = true
      return
    }
    this.#isBusy = true
    try {
      do {
        this.#isWanted = false
        await this.#once(running)
      } while (this.#isWanted)
    } finally {
      this.#isBusy = false
    }
  }

  async #once(running: RunningFile): Promise<void> {
    // What became of it, or why nothing did, the run itself tells.
    await running.reload().catch(() => undefined)
  }
}

async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path)
    return `${ino} ${size} ${mtimeMs}`
  } catch {
    return 'gone'
  }
}
