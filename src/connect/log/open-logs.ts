/**
 * The logs that are open in this process. A folder can be opened once, so all sources and sinks that name it share one; the last one to let go closes it.
 */
import { createHash } from 'node:crypto'
import { isAbsolute, resolve } from 'node:path'
import type { ComponentContext } from '../../engine/index.ts'
import { openLog } from '../../log/index.ts'
import type { KafkaAccess, Log } from '../../log/index.ts'
import { accessOf } from './fields.ts'
import type { LogFields } from './fields.ts'

interface Entry {
  readonly log: Promise<Log>
  users: number
}

const open = new Map<string, Entry>()
/** How to get into what a place names. */
const accesses = new Map<string, KafkaAccess>()

/** A log in use; `release` lets go of it. */
export interface LogUse {
  readonly log: Log
  release(): Promise<void>
}

/** What the fields of a source or sink mean: an address of Apache Kafka, or a folder. Those who get in by the same login share a place. Throws CONFIG_VALUE. */
export function placeOf(fields: LogFields, folder: string): string {
  return placeBy(fields, folder, accessOf(fields))
}

/** The same for members of a group, who may speak a protocol of their own. It is no ground to commit on: offsets of such members go into no transaction. */
export function groupPlaceOf(fields: LogFields & { readonly group_protocol?: KafkaAccess['groupProtocol'] }, folder: string): string {
  return placeBy(fields, folder, accessOf(fields, fields.group_protocol))
}

function placeBy({ log }: LogFields, folder: string, access: KafkaAccess | undefined): string {
  if (access === undefined) return log.startsWith('kafka://') || isAbsolute(log) ? log : resolve(folder, log)
  const place = `${log}#${createHash('sha256').update(JSON.stringify(access)).digest('hex').slice(0, 12)}`
  accesses.set(place, access)
  return place
}

/** Opens the log at `place`, or joins those who have it open. Throws LOG_... where that can't be. */
export async function useLog(place: string, warn: (message: string) => void): Promise<LogUse> {
  let entry = open.get(place)
  if (entry === undefined) open.set(place, (entry = { log: openLog(accesses.has(place) ? place.slice(0, place.lastIndexOf('#')) : place, { warn, kafka: accesses.get(place) }), users: 0 }))
  entry.users++
  const mine = entry
  const release = async (): Promise<void> => {
    mine.users--
    if (mine.users > 0) return
    if (open.get(place) === mine) open.delete(place)
    await (await mine.log).close()
  }
  try {
    return { log: await mine.log, release }
  } catch (error) {
    mine.users--
    if (open.get(place) === mine) open.delete(place)
    throw error
  }
}

/** A transaction is committed with each cut; one that takes longer than this belongs to a process that is gone. */
export const TRANSACTION_TIMEOUT = 5 * 60_000

/** How long a producer that is closed may wait for brokers. */
export const GOODBYE = 5000

/** How long a call within a transaction may take: to a log in a folder without end, which may have to wait for room on its disk; to a cluster until that gives the transaction up. */
export function patienceOf(place: string): number {
  return place.startsWith('kafka://') ? TRANSACTION_TIMEOUT : Infinity
}

type Telling = Pick<ComponentContext, 'trouble' | 'warn'>

/** Tells of a disk that is full, once, and of room that is there again. */
export const whileFull = (context: Telling): ((error: unknown) => void) => telling(context, 'room')

/** The same of brokers that take nothing. */
export const whileAway = (context: Telling): ((error: unknown) => void) => telling(context, 'brokers')

function telling({ trouble, warn }: Telling, work: string): (error: unknown) => void {
  return error => {
    if (error === undefined) trouble?.worked(work)
    else if (trouble !== undefined) trouble.failed(error, work)
    else warn(`${error instanceof Error ? error.message : String(error)} It is tried again.`, work)
  }
}

/** Lets pipelines of this process use a log that the program has open; the answer takes it back. The program closes it. */
export function shareLog(place: string, log: Log): () => void {
  open.set(place, { log: Promise.resolve(log), users: 1 })
  return () => void open.delete(place)
}
