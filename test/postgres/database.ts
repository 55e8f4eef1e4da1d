/** What the tests ask of PostgreSQL by themselves. */
import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { PostgresConnection } from '../../src/connect/postgres/connection.ts'
import type { Row } from '../../src/connect/postgres/connection.ts'

/** Every connection of the components under test. */
const sockets = new Set<Socket>()
let isOwn = false
subscribe('net.client.socket', message => {
  const socket = typeof message === 'object' && message !== null && 'socket' in message ? message.socket : undefined
  if (!(socket instanceof Socket) || isOwn) return
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

export function cutAll(): void {
  for (const socket of sockets) socket.destroy(new Error('cut by the test'))
}

export interface TestDatabase {
  sql(text: string, values?: readonly (string | number | null)[]): Promise<readonly Row[]>
  close(): Promise<void>
}

/** A connection of the test's own, which is never cut. */
export async function openDatabase(url: string): Promise<TestDatabase> {
  const connection = new PostgresConnection({ url, username: undefined, password: undefined, tls: undefined, connect_timeout: 5000, timeout: 30_000 })
  isOwn = true
  await connection.query({ text: 'SELECT 1' })
  isOwn = false
  return { sql: (text, values = []) => connection.query({ text, values }), close: () => connection.close() }
}

/** Asks until the answer is yes. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10))
}
