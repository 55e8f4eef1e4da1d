/**
 * Exactly once on a database: what the sinks of a pipeline write and the pipeline's cut (positions of the sources, memory of stages) are one transaction.
 *
 *     sluice_pipelines   pipeline | epoch | pid, started of the connection that has it
 *     sluice_cuts        pipeline | number | cut
 *
 * A run begins by ending the connection of the run before, whose open transaction is rolled back with it, and by raising the epoch. A commit looks at the epoch in its
 * own transaction: one that is not the newest run's fails. Cuts are kept from the last full one on.
 *
 * A transaction begins with the first write after a commit. When its connection is lost, it is lost as a whole, and so is the run: the next one goes on from the last commit.
 */
import { createHash } from 'node:crypto'
import { SluiceError } from '../../base/index.ts'
import type { Committer } from '../../engine/index.ts'
import { failpoint } from '../../platform/index.ts'
import { PostgresConnection, addressOf } from './connection.ts'
import type { PostgresFields, Session } from './connection.ts'

const TABLES = `
  CREATE TABLE IF NOT EXISTS sluice_pipelines (pipeline text PRIMARY KEY, epoch bigint NOT NULL, pid integer NOT NULL, started timestamptz NOT NULL);
  CREATE TABLE IF NOT EXISTS sluice_cuts (pipeline text, number bigint, cut bytea NOT NULL, PRIMARY KEY (pipeline, number))`
const END_OLDER = `
  SELECT pg_terminate_backend(a.pid, 5000) FROM sluice_pipelines p JOIN pg_stat_activity a ON a.pid = p.pid AND a.backend_start = p.started
  WHERE p.pipeline = $1 AND a.pid <> pg_backend_pid()`
const TAKE_OVER = `
  INSERT INTO sluice_pipelines SELECT $1, 1, pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
  ON CONFLICT (pipeline) DO UPDATE SET epoch = sluice_pipelines.epoch + 1, pid = EXCLUDED.pid, started = EXCLUDED.started RETURNING epoch`

/** How to get to what a place names. */
const places = new Map<string, PostgresFields>()

/** Name of a database for those who get in by the same login. It holds no password. */
export function placeOf(fields: PostgresFields): string {
  const { host, port, database, user } = addressOf(fields)
  const access = createHash('sha256').update(JSON.stringify([fields.url, fields.username, fields.password, fields.tls])).digest('hex').slice(0, 12)
  const place = `postgres://${host}:${port}/${database}#${user}-${access}`
  places.set(place, fields)
  return place
}

export class PostgresCommitter implements Committer {
  readonly place: string
  readonly #pipeline: string
  readonly #connection: PostgresConnection
  readonly #warn: (message: string) => void
  #epoch = ''
  #number = 0
  /** The transaction that is open. */
  #session: Session | undefined
  /** Sinks that share the transaction use it one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(place: string, pipeline: string, warn: (message: string) => void) {
    const fields = places.get(place)
    if (fields === undefined) throw new SluiceError('INTERNAL', 'a place that was never named')
    this.place = place
    this.#pipeline = pipeline
    this.#connection = new PostgresConnection(fields)
    this.#warn = warn
  }

  async open(): Promise<readonly Uint8Array[]> {
    try {
      await this.#makeTables()
      await this.#connection.query({ text: END_OLDER, values: [this.#pipeline] }).catch((error: unknown) => this.#warn(`An older run of "${this.#pipeline}" could not be ended; its next commit will fail. ${error instanceof Error ? error.message : String(error)}`))
      const [row] = await this.#connection.query({ text: TAKE_OVER, values: [this.#pipeline] })
      this.#epoch = row?.['epoch'] ?? ''
      const cuts = await this.#connection.query({ text: 'SELECT number, cut FROM sluice_cuts WHERE pipeline = $1 ORDER BY number', values: [this.#pipeline] })
      this.#number = Number(cuts.at(-1)?.['number'] ?? 0)
      return cuts.map(({ cut }) => new Uint8Array(Buffer.from((cut ?? '').slice(2), 'hex')))
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Two that make them at once get in each other's way; and who may not make tables may find them there. */
  async #makeTables(): Promise<void> {
    const there = async (): Promise<boolean> => (await this.#connection.query({ text: "SELECT 1 FROM (SELECT to_regclass('sluice_pipelines') a, to_regclass('sluice_cuts') b) t WHERE a IS NOT NULL AND b IS NOT NULL" })).length > 0
    if (await there()) return
    try {
      await this.#connection.query({ text: TABLES })
    } catch (error) {
      if (await there()) return
      const reason = error instanceof Error ? error.message : String(error)
      throw new SluiceError('POSTGRES_DENIED', `For exactly once, the tables sluice_pipelines and sluice_cuts are needed beside the others, and could not be made: ${reason}`, { cause: error })
    }
  }

  /** Does something in the transaction, which is begun where none is open. */
  within<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      const session = this.#session ?? (await this.#begin())
      try {
        return await work(session)
      } catch (error) {
        throw lostBy(error)
      }
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #begin(): Promise<Session> {
    const session = await this.#connection.session()
    await session.query({ text: 'BEGIN' })
    this.#session = session
    return session
  }

  async commit(cut: Uint8Array, full: boolean): Promise<void> {
    await this.within(async session => {
      failpoint('commit.begin')
      const mine = await session.query({ text: 'SELECT 1 FROM sluice_pipelines WHERE pipeline = $1 AND epoch = $2 FOR UPDATE', values: [this.#pipeline, this.#epoch] })
      if (mine.length === 0) throw new SluiceError('POSTGRES_LOST', `Another run of "${this.#pipeline}" has taken over at PostgreSQL ${session.server}; this one may not write any more.`, { stops: true })
      if (full) await session.query({ text: 'DELETE FROM sluice_cuts WHERE pipeline = $1', values: [this.#pipeline] })
      await session.query({ text: 'INSERT INTO sluice_cuts VALUES ($1, $2, $3)', values: [this.#pipeline, ++this.#number, cut] })
      failpoint('commit.cut-sent')
      await session.query({ text: 'COMMIT' })
      this.#session = undefined
      failpoint('commit.done')
    })
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#connection.close()
  }
}

/** Another attempt would be without what was written before in the same transaction: only a new run puts that right. */
function lostBy(error: unknown): unknown {
  if (!(error instanceof SluiceError) || !error.retry) return error
  return new SluiceError('POSTGRES_LOST', `The open transaction was lost: ${error.message} Start the pipeline again: it goes on from the last commit, and nothing is lost or doubled.`, { cause: error, stops: true })
}
