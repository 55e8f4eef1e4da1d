/**
 * Shows a dashboard on the terminal until it is closed, four frames a second. The library draws what has changed, reads keys, and gives the terminal back on every way out.
 *
 *     up, down: choose a part   t look at its events   p pause or resume   r reload   s sort   q quit: the pipeline goes on where it is another process, and is stopped where it is this one
 */
import type { Paint } from '../paint.ts'
import { History } from './history.ts'
import { componentNames, screenLines } from './screen.ts'
import { Tapping } from './tapping.ts'
import type { Watched } from './watched.ts'

const FRAME_MS = 250

export interface ShowOptions {
  readonly watched: Watched
  readonly paint: Paint
  readonly unicode: boolean
  /** Called for `q` and Ctrl-C, once the terminal has been given back. */
  readonly onQuit: () => void
  /** What `q` does. */
  readonly quits: string
}

export interface Shown {
  /** Shows a line to the person: a warning, what became of something. False where the screen is no longer there. */
  say(text: string): boolean
  /** Gives the terminal back. */
  close(): Promise<void>
}

export async function showDashboard({ watched, paint, unicode, onQuit, quits }: ShowOptions): Promise<Shown> {
  const [{ Text, render, useApp, useInput, useWindowSize }, { createElement, useEffect, useState }] = await Promise.all([import('ink'), import('react')])
  const history = new History()
  let note = ''
  /** Why there was no answer the last time. */
  let lost: string | undefined
  let isOver = false
  const act = (action: Parameters<Watched['act']>[0]): void => {
    note = `${action} ...`
    watched.act(action).then(text => (note = text), (error: unknown) => (note = error instanceof Error ? error.message : String(error)))
  }
  const look = async (): Promise<void> => {
    try {
      const figures = await watched.figures()
      if (figures !== undefined) history.add(performance.now(), figures)
      lost = undefined
    } catch (error) {
      lost = error instanceof Error ? error.message : String(error)
    }
  }
  const tapping = new Tapping(watched, text => (note = text))
  const Dashboard = () => {
    const { columns, rows } = useWindowSize()
    const { exit } = useApp()
    const [sorted, sort] = useState(false)
    const [selected, select] = useState<string>()
    const [, tick] = useState(0)
    useEffect(() => {
      const timer = setInterval(() => void look().then(() => tick(count => count + 1)), FRAME_MS)
      return () => clearInterval(timer)
    }, [])
    useInput((input, key) => {
      if (input === 'q' || (key.ctrl && input === 'c')) {
        if (isOver) return
        isOver = true
        exit()
        waitUntilExit().then(onQuit, onQuit)
      } else if (input === 'p') act(history.last?.state === 'paused' ? 'resume' : 'pause')
      else if (input === 'r') act('reload')
      else if (input === 's') sort(is => !is)
      else if (input === 't') tapping.turn(selected ?? componentNames(history, sorted)[0])
      else if (key.upArrow || key.downArrow) select(now => neighbour(componentNames(history, sorted), now, key.upArrow ? -1 : 1))
    })
    const keys = `p ${history.last?.state === 'paused' ? 'resume' : 'pause'}   r reload   s ${sorted ? 'order of the pipeline' : 'sort by time'}   t ${tapping.shown === undefined ? 'events of >' : 'no events'}   q ${quits}`
    return createElement(Text, { wrap: 'truncate' }, screenLines(history, { columns, rows, unicode, paint, sorted, selected, tap: tapping.shown, note, lost, keys }).join('\n'))
  }
  // Whoever asks for it on a terminal gets it, also where a variable says that this is a build.
  const { unmount, waitUntilExit } = render(createElement(Dashboard), { exitOnCtrlC: false, alternateScreen: true, patchConsole: false, maxFps: 4, interactive: true })
  return {
    // With its time: it stands until there is another.
    say(text) {
      note = `${new Date().toTimeString().slice(0, 8)} ${text.trimEnd()}`
      return !isOver
    },
    async close() {
      tapping.close()
      unmount()
      await waitUntilExit()
    },
  }
}

/** The name beside another; the first one where there is none. */
function neighbour(names: readonly string[], name: string | undefined, by: 1 | -1): string | undefined {
  const at = name === undefined ? -1 : names.indexOf(name)
  return at < 0 ? names[0] : names[Math.min(names.length - 1, Math.max(0, at + by))]
}
