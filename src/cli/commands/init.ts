/** `sluice init [DIR]`: a small project that runs, with a config test. Writes nothing where a file of the same name is there. */
import { relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { writeFiles } from '../new-files.ts'
import { paint } from '../paint.ts'
import { projectFiles } from '../project-files.ts'
import type { Session } from '../session.ts'

export function define(command: Command, session: Session): void {
  command.argument('[dir]', 'the folder; it is made where it is missing', '.').action(async (dir: string) => {
    const { pipelineSchema } = await import('../../pipeline/index.ts')
    const { registry } = await import('../../registry.ts')
    const files = { ...projectFiles(), '.sluice/pipeline.schema.json': `${JSON.stringify(pipelineSchema(registry), null, 2)}\n` }
    const folder = resolve(session.io.folder, dir)
    writeFiles(folder, files)
    tell(relative(session.io.folder, folder), Object.keys(files), session)
  })
}

function tell(shown: string, names: readonly string[], { io }: Session): void {
  const colors = paint(io.stderr.colors)
  const next = [...(shown === '' ? [] : [`cd ${shown}`]), 'sluice run pipeline.yaml', 'sluice test pipeline.yaml']
  io.stderr.write([`Wrote to ${shown === '' ? 'this folder' : shown}:`, ...names.map(name => `  ${name}`), '', 'Next:', ...next.map(line => `  ${colors.cyan(line)}`), ''].join('\n'))
}
