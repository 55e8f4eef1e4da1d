/** A worker thread's main program: builds the plan that its starter names and serves a host over the thread's port. */
import type { MessagePort } from 'node:worker_threads'
import type { Tell } from '../observe/index.ts'
import { systemClock, systemRandom } from '../platform/index.ts'
import type { PipelineConfig, Registry } from './config.ts'
import { RECORD_MAX, contextFor } from './context.ts'
import { failureRecord } from './failure.ts'
import type { HostData } from './hosts.ts'
import { Host } from './host.ts'
import { sendFrom } from './links.ts'
import type { ToHost } from './messages.ts'
import { makePlan } from './plan.ts'
import { warning } from './notices.ts'
import { Troubles } from './troubles.ts'
import { WorkNotes } from './work-notes.ts'

/** Serves until it is told to close. `load` answers the config and the registry from what the thread was started with. */
export async function serveHost(port: MessagePort, data: HostData, load: (start: unknown) => Promise<{ config: PipelineConfig; registry: Registry }>): Promise<void> {
  const send = sendFrom(port)
  const notes = data.notes === undefined ? undefined : new WorkNotes(data.notes.memory)
  if (notes !== undefined) beat(notes, data.notes?.every ?? 1000)
  try {
    const { config, registry } = await load(data.start)
    const tell: Tell = notice => send({ kind: 'notice', notice })
    const warn = (place: string, message: string, key?: string): void => tell(warning(place, message, key))
    const host = new Host({
      plan: makePlan(config, registry),
      registry,
      lane: data.lane,
      lanes: data.lanes,
      pieces: data.pieces,
      context: contextFor(config, systemClock, systemRandom, new AbortController().signal, warn, registry.functions, new Troubles(systemClock, tell, said => send({ kind: 'trouble', said })), (id, step) => send({ kind: 'limited', id, step })),
      restore: data.restore,
      facts: data.facts,
      recordMax: RECORD_MAX,
      send,
      notes,
    })
    await host.open()
    port.on('message', (message: ToHost) => host.handle(message))
    send({ kind: 'ready' })
  } catch (error) {
    send({ kind: 'failed', error: failureRecord(error) })
  }
}

/** Shows, for as long as the thread lives, that its event loop turns. */
function beat(notes: WorkNotes, every: number): void {
  notes.beat()
  systemClock.timer(every, () => beat(notes, every))
}
