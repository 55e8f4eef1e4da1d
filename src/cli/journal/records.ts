/** Notices as JSON, one record a line. */
import { pino } from 'pino'
import type { Level, Notice } from '../../observe/index.ts'

/**
 * `{"level":"warn","time":"2026-01-31T12:00:00.000Z","pipeline":"orders","event":"retry_begun","place":"lake","code":"S3_FAILED","attempts":1,"msg":"..."}`
 *
 * Written at once, on this thread: a record that waits is one that a crash takes along.
 */
export function recordsTo(write: (line: string) => void, level: Level): (notice: Notice) => void {
  // No process id and no host's name: whoever collects the logs of a machine knows both.
  const logger = pino({ level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: label => ({ level: label }) } }, { write })
  return ({ level: of, kind, text, place, pipeline, count, fields }) => {
    logger[of]({ pipeline, event: kind, place: place === '' ? undefined : place, count, ...fields }, text)
  }
}
