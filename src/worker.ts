/** The module that a worker thread runs. */
import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { HostData } from './engine/index.ts'
import type { PipelineStart } from './start.ts'

// Each thread has to ask for the compiled code that the main thread has kept, before it loads anything: it is then ready in a third of the time.
enableCompileCache()
const [{ serveHost }, { answerToOwnName }, { loadStart }] = await Promise.all([import('./engine/index.ts'), import('./own-name.ts'), import('./start.ts')])

if (parentPort !== null) {
  answerToOwnName()
  const data = workerData as HostData // Set by the engine, which starts this thread.
  await serveHost(parentPort, data, start => loadStart(start as PipelineStart)) // `start` is what runtime.ts handed to the engine.
}
