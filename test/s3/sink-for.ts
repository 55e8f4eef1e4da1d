/** A sink without a pipeline around it. */
import { s3Sink } from '../../src/connect/index.ts'
import { testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { Sink } from '../../src/engine/index.ts'

export function sinkFor(config: Readonly<Record<string, unknown>>, warnings: string[] = []): Sink {
  const context = testContext({ keeps: true, warn: message => void warnings.push(message) })
  return s3Sink.create(prepareConfig(s3Sink.config, config, context), context)
}
