/** `sluice init [DIR]`: a small project that runs, with a config test. Writes nothing where a file of the same name is there. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../failure.ts'
import { reason } from '../input.ts'
import { paint } from '../paint.ts'
import { projectFiles } from '../project-files.ts'
import type { Session } from '../session.ts'

export function define(command: Command, session: Session): void {
  command.argument('[dir]', 'the folder; it is made where it is missing', '.').action(async (dir: string) => {
    const { pipelineSchema } = await import('../../pipeline/index.ts')
    const { registry } = await import('../../registry.ts')
    const files = { ...projectFiles(), '.sluice/pipeline.schema.json': `${JSON.stringify(pipelineSchema(registry), null, 2)}\n` }
    const folder = resolve(session.io.folder, dir)
    writeProject(folder, files)
    tell(relative(session.io.folder, folder), Object.keys(files), session)
  })
}

/** All files or none: a clash is found before anything is written. */
function writeProject(folder: string, files: Readonly<Record<string, string>>): void {
  const clash = Object.keys(files).find(name => existsSync(join(folder, name)))
  if (clash !== undefined) throw new UsageError('CLI_FILE_EXISTS', `${join(folder, clash)} is there already; nothing was written.`)
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text, { flag: 'wx' })
    }
  } catch (error) {
    throw new UsageError('CLI_USAGE', `The project can't be written to ${folder}: ${reason(error)}.`)
  }
}

function tell(shown: string, names: readonly string[], { io }: Session): void {
  const colors = paint(io.stderr.colors)
  const next = [...(shown === '' ? [] : [`cd ${shown}`]), 'sluice run pipeline.yaml', 'sluice test pipeline.yaml']
  io.stderr.write([`Wrote to ${shown === '' ? 'this folder' : shown}:`, ...names.map(name => `  ${name}`), '', 'Next:', ...next.map(line => `  ${colors.cyan(line)}`), ''].join('\n'))
}
