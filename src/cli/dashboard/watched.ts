/** What a dashboard looks at: a run in this process, or one behind its admin server. */
import { SluiceError } from '../../base/index.ts'
import type { RunControl, TapSample } from '../../engine/index.ts'
import type { Figures } from '../../observe/index.ts'
import { AdminClient } from '../admin/client.ts'
import { sampleText, tapPath, toldText } from '../tap-text.ts'
import type { TapTold } from '../tap-text.ts'

export type Action = 'pause' | 'resume' | 'reload' | 'drain'

export interface Watched {
  /** Undefined while nothing is open. Throws where nobody answers. */
  figures(): Promise<Figures | undefined>
  /** Answers what became of it. */
  act(action: Action): Promise<string>
  /** Shows events at a component (`stages.ID`, and so on), as lines of text, until the answered function is called. Throws what opening the tap throws. */
  tap(component: string, show: (line: string) => void): Promise<() => void>
}

/** Events a second that a person can look at. */
const TAP_RATE = 20

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
    tap(component, show) {
      const tap = control.taps.open({ component, rate: TAP_RATE }, {
        sample: line => {
          show(sampleText(JSON.parse(line) as TapSample, line)) // A line of a tap.
          return true
        },
        moved: isThere => show(isThere ? 'Another config runs.' : 'Another config runs; this component is not in it.'),
        end: () => show('The pipeline has ended.'),
      })
      return Promise.resolve(() => tap.close())
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
    async tap(component, show) {
      const id = await client.pipeline()
      if (id === undefined) throw new SluiceError('TAP_UNKNOWN', 'No pipeline is open there.')
      const stop = new AbortController()
      const lines = client.lines(tapPath(id, { component, rate: TAP_RATE }), stop.signal)
      // Its first line says that it has begun.
      await lines.next()
      void showLines(lines, show)
      return () => stop.abort()
    },
  }
}

async function showLines(lines: AsyncIterable<string>, show: (line: string) => void): Promise<void> {
  try {
    for await (const line of lines) {
      const { tap, ...sample } = JSON.parse(line) as TapSample & { readonly tap?: TapTold } // A line of a tap.
      if (tap === undefined) show(sampleText(sample, line))
      else toldText(tap).forEach(show)
    }
  } catch (error) {
    show(error instanceof Error ? error.message : String(error))
  }
}
