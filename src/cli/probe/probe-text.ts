/** What is told of connections that were tested: a line for each component, and what is wrong below it. */
import { SluiceError } from '../../base/index.ts'
import type { Paint } from '../paint.ts'
import { lateText } from './probing.ts'
import type { Probed } from './probing.ts'

export function probeText(all: readonly Probed[], deadline: number, paint: Paint): string {
  const width = Math.max(...all.map(({ id }) => id.length))
  const lines = all.flatMap(({ id, role, type, outcome, error }) => {
    const name = `${id.padEnd(width)}  ${`${role === 'dead letters' ? 'sink' : role} ${type}`.padEnd(22)}`
    if (outcome === 'there') return [`${name}  ${paint.green('ok')}`]
    if (outcome === 'untested') return [`${name}  ${paint.dim('not tested: it connects to nothing, or not before it runs')}`]
    return [`${name}  ${paint.red('failed')}`, ...(outcome === 'late' ? [`  It ${lateText(deadline)}`] : reasons(error))]
  })
  return `${lines.join('\n')}\n`
}

function reasons(error: unknown): string[] {
  const message = error instanceof Error ? error.message : String(error)
  return [`  ${error instanceof SluiceError ? `${error.code}  ` : ''}${message.replaceAll('\n', '\n  ')}`]
}

export function hasFailed(all: readonly Probed[]): boolean {
  return all.some(({ outcome }) => outcome === 'failed' || outcome === 'late')
}
