/** What the tests ask of PostgreSQL by themselves. */
import { PostgresConnection } from '../../src/connect/postgres/connection.ts'
import type { Row } from '../../src/connect/postgres/connection.ts'

export interface TestDatabase {
  sql(text: string, values?: readonly (string | number | null)[]): Promise<readonly Row[]>
  close(): Promise<void>
}

/** The first connection of the process is the test's own: it is never cut. */
export async function openDatabase(url: string): Promise<TestDatabase> {
  const connection = new PostgresConnection({ url, username: undefined, password: undefined, tls: undefined, connect_timeout: 5000, timeout: 30_000 })
  await connection.query({ text: 'SELECT 1' })
  return { sql: (text, values = []) => connection.query({ text, values }), close: () => connection.close() }
}

/** Asks until the answer is yes. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10))
}
