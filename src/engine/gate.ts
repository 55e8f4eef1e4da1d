/** Waits for conditions that other code makes true: it calls `look` after every change that may matter. */
export class Gate {
  #waiting: { readonly condition: () => boolean; readonly resolve: () => void }[] = []

  /** Resolves when the condition holds, at once if it already does. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ condition, resolve }))
  }

  /** Looks at all conditions again. */
  look(): void {
    if (this.#waiting.length === 0) return
    const open = this.#waiting
    this.#waiting = []
    for (const waiter of open) {
      if (waiter.condition()) waiter.resolve()
      else this.#waiting.push(waiter)
    }
  }
}
