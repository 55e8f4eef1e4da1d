/** Loads a pipeline for the commands that look at it without running it. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LoadOptions, LoadResult } from '../pipeline/index.ts'
import { UsageError } from './failure.ts'
import type { Io } from './io.ts'
import type { Session } from './session.ts'

/** A pipeline that is not there is a slip on the command line, not in a config. */
export function requireFile(file: string, io: Io): void {
  if (!existsSync(resolve(io.folder, file))) throw new UsageError('CLI_FILE_MISSING', `${file} can't be read: it is not there.`)
}

export async function loadForCommand(file: string, { io }: Session, options: Pick<LoadOptions, 'overrides' | 'withTests'> = {}): Promise<LoadResult> {
  requireFile(file, io)
  const [{ loadPipeline }, { registry }, { answerToOwnName }] = await Promise.all([import('../pipeline/index.ts'), import('../registry.ts'), import('../own-name.ts')])
  answerToOwnName()
  return loadPipeline(file, registry, { ...options, workingFolder: io.folder, env: io.env })
}
