/** Closes what is open, one after the other; what can't be closed does not keep the others open. */

export interface Closing {
  /** Id of the component. */
  readonly id: string
  close(): Promise<void> | void
}

/** `failed` is told of each that can't be closed. Never throws. */
export async function closeEach(parts: Iterable<Closing>, failed: (id: string, error: unknown) => void): Promise<void> {
  for (const part of parts) {
    try {
      await part.close()
    } catch (error) {
      failed(part.id, error)
    }
  }
}

/** What is said of it. */
export function unclosed(error: unknown): string {
  return `It could not be closed: ${error instanceof Error ? error.message : String(error)}`
}
