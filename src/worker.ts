/** The module that a worker thread runs; bin/worker.js loads it. */
import { parentPort, workerData } from 'node:worker_threads'
import { serveHost } from './engine/index.ts'
import type { HostData } from './engine/index.ts'
import { answerToOwnName } from './own-name.ts'
import { loadStart } from './start.ts'
import type { PipelineStart } from './start.ts'

if (parentPort !== null) {
  answerToOwnName()
  const data = workerData as HostData // Set by the engine, which starts this thread.
  await serveHost(parentPort, data, start => loadStart(start as PipelineStart)) // `start` is what runtime.ts handed to the engine.
}
