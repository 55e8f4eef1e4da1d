/** What a run starts from: the last cut of its state folder. */
import type { JsonValue } from '../event/index.ts'
import { systemFiles } from '../platform/index.ts'
import { CheckpointLog } from './checkpoint/index.ts'
import type { PipelineConfig } from './config.ts'
import type { GroupState } from './messages.ts'

export interface RunState {
  readonly log: CheckpointLog
  readonly positions: Readonly<Record<string, JsonValue>>
  readonly marks: Readonly<Record<string, JsonValue>>
  readonly groups: readonly GroupState[]
}

/** Opens the pipeline's state folder, if it has one. Says so where what it finds is not what the pipeline expects. */
export async function openState(config: PipelineConfig, warn: (message: string) => void): Promise<RunState | undefined> {
  if (config.state === undefined) return undefined
  const log = await CheckpointLog.open(config.state, config.name, systemFiles)
  if (log.torn > 0) warn(`The last ${log.torn} bytes of the checkpoints were torn and have been cut off; the run goes on from the cut before.`)
  const { positions = {}, marks = {}, groups = [] } = log.last ?? {}
  const known = new Set([...config.sources, ...config.stages, ...config.sinks].map(node => node.id))
  for (const id of [...Object.keys(positions), ...new Set(groups.map(group => group.stage))]) {
    if (!known.has(id)) warn(`The checkpoint knows "${id}", which the pipeline no longer has: what is kept for it is ignored.`)
  }
  return { log, positions, marks, groups }
}
