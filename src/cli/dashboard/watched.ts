/** What a dashboard looks at: a run in this process, or one behind its admin server. */
import { SluiceError } from '../../base/index.ts'
import type { RunControl } from '../../engine/index.ts'
import type { Figures } from '../../observe/index.ts'

export type Action = 'pause' | 'resume' | 'reload' | 'drain'

export interface Watched {
  /** Undefined while nothing is open. Throws where nobody answers. */
  figures(): Promise<Figures | undefined>
  /** Answers what became of it. */
  act(action: Action): Promise<string>
}

export function ownRun(control: RunControl, reload: () => Promise<{ readonly outcome: string; readonly generation: number; readonly error?: Error | undefined }>, drain: () => void): Watched {
  return {
    figures: () => Promise.resolve(control.figures),
    async act(action) {
      if (action === 'pause') control.pause()
      else if (action === 'resume') control.resume()
      else if (action === 'drain') drain()
      else {
        const { outcome, generation, error } = await reload()
        return `reload: ${outcome}, generation ${generation}${error === undefined ? '' : `: ${error.message}`}`
      }
      return action
    },
  }
}

/** The pipeline of an admin server. Throws ADMIN_ANSWER for what is none. */
export function remoteRun(address: string, token: string | undefined): Watched {
  const base = /^https?:/.test(address) ? address : `http://${/^\d+$/.test(address) ? `127.0.0.1:${address}` : address}`
  const headers = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }
  const ask = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<unknown> => {
    let response: Response
    try {
      response = await fetch(new URL(path, base), { method, headers, signal: AbortSignal.timeout(5000) })
    } catch (error) {
      throw new SluiceError('ADMIN_ANSWER', `Nothing answers at ${base}: ${causeOf(error)}.`, { cause: error })
    }
    const answer: unknown = await response.json().catch(() => undefined)
    if (response.ok) return answer
    const told = typeof answer === 'object' && answer !== null && 'error' in answer ? (answer.error as { readonly message?: string }).message : undefined // Its own answer.
    throw new SluiceError('ADMIN_ANSWER', `${base} answers ${response.status}${told === undefined ? '' : `: ${told}`}.`)
  }
  const first = async (): Promise<string | undefined> => {
    const list = await ask('/v1/pipelines')
    if (!Array.isArray(list)) throw new SluiceError('ADMIN_ANSWER', `${base} is no admin server of Sluice.`)
    return (list as { readonly id: string }[])[0]?.id // Its own answer.
  }
  return {
    async figures() {
      const id = await first()
      return id === undefined ? undefined : ((await ask(`/v1/pipelines/${encodeURIComponent(id)}`)) as Figures) // Its own answer.
    },
    async act(action) {
      const id = await first()
      if (id === undefined) return 'no pipeline is open there'
      const answer = (await ask(`/v1/pipelines/${encodeURIComponent(id)}/${action}`, 'POST')) as { readonly outcome?: string; readonly generation?: number } // Its own answer.
      return answer.outcome === undefined ? action : `reload: ${answer.outcome}, generation ${answer.generation ?? ''}`
    },
  }
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
