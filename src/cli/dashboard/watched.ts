/** What a dashboard looks at: a run in this process, or one behind its admin server. */
import type { RunControl } from '../../engine/index.ts'
import type { Figures } from '../../observe/index.ts'
import { AdminClient } from '../admin/client.ts'

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
  const client = new AdminClient(address, token)
  return {
    async figures() {
      const id = await client.pipeline()
      return id === undefined ? undefined : ((await client.ask(`/v1/pipelines/${encodeURIComponent(id)}`)) as Figures) // Its own answer.
    },
    async act(action) {
      const id = await client.pipeline()
      if (id === undefined) return 'no pipeline is open there'
      const answer = (await client.ask(`/v1/pipelines/${encodeURIComponent(id)}/${action}`, 'POST')) as { readonly outcome?: string; readonly generation?: number } // Its own answer.
      return answer.outcome === undefined ? action : `reload: ${answer.outcome}, generation ${answer.generation ?? ''}`
    },
  }
}
