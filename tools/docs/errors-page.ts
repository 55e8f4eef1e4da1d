/** The reference page of all errors, made from their registry. */
import { ERRORS } from '../../src/base/index.ts'
import type { ErrorEntry } from '../../src/base/index.ts'

export function errorsPage(): string {
  const entries = Object.entries<ErrorEntry>(ERRORS).sort(([a], [b]) => (a < b ? -1 : 1))
  const sections = entries.map(([code, { what, why, cure, retry }]) => {
    const points = [`- Why: ${why}`, `- Cure: ${cure}`, ...(retry ? ['- The same call may succeed later: where a retry policy is set, it is tried again.'] : [])]
    return `## ${code}\n\n${what}\n\n${points.join('\n')}`
  })
  const intro = 'Every error has a permanent code. The message says what happened where; this page says what it means and what to do. `sluice explain CODE` prints the same.'
  return `# Errors\n\n${intro}\n\n${sections.join('\n\n')}\n`
}
