/** The worker thread of tests that run stages on several workers. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { serveHost } from '../engine/index.ts'
import type { HostData, PipelineConfig } from '../engine/index.ts'
import { Kept, memorySink, memorySource, testRegistry } from '../engine/testing.ts'
import { stages } from './index.ts'

if (!isMainThread && parentPort !== null) {
  const data = workerData as HostData // Set by the test that starts this thread.
  const registry = testRegistry([memorySource([], 1), memorySink(new Kept()), ...stages])
  await serveHost(parentPort, data, start => Promise.resolve({ config: start as PipelineConfig, registry }))
}
