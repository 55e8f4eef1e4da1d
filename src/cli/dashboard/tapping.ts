/** The one tap that a dashboard shows. What comes is kept only as far as a screen can hold it. */
import type { Watched } from './watched.ts'

const LINES_MAX = 100

export class Tapping {
  readonly #watched: Watched
  readonly #say: (text: string) => void
  #shown: { readonly title: string; readonly lines: string[] } | undefined
  #end: (() => void) | undefined

  constructor(watched: Watched, say: (text: string) => void) {
    this.#watched = watched
    this.#say = say
  }

  get shown(): { readonly title: string; readonly lines: readonly string[] } | undefined {
    return this.#shown
  }

  /** Looks at a component, or no longer. */
  turn(component: string | undefined): void {
    if (this.#shown !== undefined) return this.close()
    if (component === undefined) return
    const shown = { title: component === 'sinks.dead_letters' ? 'dead letters' : `events ${component.startsWith('sinks.') ? 'before' : 'after'} ${component.slice(component.indexOf('.') + 1)}`, lines: [] as string[] }
    this.#shown = shown
    const show = (line: string): void => {
      shown.lines.push(line)
      if (shown.lines.length > LINES_MAX) shown.lines.shift()
    }
    const opened = (end: () => void): void => {
      // It may have been closed meanwhile.
      if (this.#shown === shown) this.#end = end
      else end()
    }
    const failed = (error: unknown): void => {
      if (this.#shown === shown) this.#shown = undefined
      this.#say(error instanceof Error ? error.message : String(error))
    }
    // Not within the key's own turn: opening may throw.
    Promise.resolve().then(() => this.#watched.tap(component, show)).then(opened, failed)
  }

  close(): void {
    this.#end?.()
    this.#end = undefined
    this.#shown = undefined
  }
}
