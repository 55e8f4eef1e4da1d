/** Figures of a run, for docs/reliability.md: written where SLUICE_EVIDENCE names a folder, else nowhere. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Tests take this many times as long when they are asked to. */
export const SOAK = Number(process.env['SLUICE_SOAK'] ?? 1)

export function evidence(name: string, counts: Readonly<Record<string, number | string>>): void {
  const folder = process.env['SLUICE_EVIDENCE']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ name, counts }, null, 2)}\n`)
}
