/** Takes a pipeline's file up again: at SIGHUP, and with `--watch` when one of its files has changed. Says what became of it. */
import { stat } from 'node:fs/promises'
import type { Messages } from '../observe/index.ts'
import type { RunningFile } from '../runtime.ts'
import type { Io } from './io.ts'
import { reason } from './input.ts'

/** Milliseconds between two looks at the files. They are looked at and not watched: editors replace files, and some file systems tell nothing. */
const LOOK_EVERY = 300

export class Reloading {
  readonly #messages: Messages
  readonly #watches: boolean
  readonly #undo: () => void
  #running: RunningFile | undefined
  #timer: NodeJS.Timeout | undefined
  /** What the files were when they were last looked at. */
  #seen = ''
  #isBusy = false
  #isWanted = false

  constructor(io: Io, messages: Messages, watches: boolean) {
    this.#messages = messages
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
    const now = (await Promise.all(running.files.map(stateOf))).join('\n')
    const before = this.#seen
    this.#seen = now
    if (before !== '' && before !== now) {
      await this.#reload()
      // Other files may belong to it now.
      this.#seen = ''
    }
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
    try {
      // What became of it the run itself tells.
      await running.reload()
    } catch (error) {
      this.#messages.warn(`Not reloaded, what runs goes on. ${reason(error)}`)
    }
  }
}

async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path)
    return `${path} ${ino} ${size} ${mtimeMs}`
  } catch {
    return `${path} is gone`
  }
}
