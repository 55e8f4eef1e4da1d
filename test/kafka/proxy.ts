/**
 * A way to a broker that can be cut, reset and stalled, by what was asked on a connection.
 *
 * A broker tells its own address in its answers, so the broker has to be one that advertises the proxy: see `startBroker`.
 */
import { FaultyProxy } from '../servers/proxy.ts'
import type { Pair } from '../servers/proxy.ts'

/** Numbers of requests. */
export const ASKS = { produce: 0, fetch: 1, metadata: 3, commit: 8, join: 11, heartbeat: 12 } as const

/** Connections on which such a request was sent; all for undefined. */
type Which = keyof typeof ASKS | undefined

export class Proxy extends FaultyProxy {
  /** Numbers of the requests that were sent on each connection. */
  readonly #asked: WeakMap<Pair, Set<number>>

  constructor(to: string) {
    const asked = new WeakMap<Pair, Set<number>>()
    const onRequest = (pair: Pair, bytes: Buffer): void => {
      // A request that begins within a piece is not seen; of the same kind there are others.
      if (bytes.length >= 6) asked.set(pair, (asked.get(pair) ?? new Set()).add(bytes.readInt16BE(4)))
    }
    super(to, { onRequest })
    this.#asked = asked
  }

  /** How many connections are open. */
  open(which?: Which): number {
    return this.openPairs(this.#by(which)).length
  }

  cut(which?: Which): void {
    this.cutPairs(this.#by(which))
  }

  reset(which?: Which): void {
    this.resetPairs(this.#by(which))
  }

  stallOpen(which?: Which): void {
    this.stallPairs(this.#by(which))
  }

  #by(which: Which): (pair: Pair) => boolean {
    return pair => which === undefined || this.#asked.get(pair)?.has(ASKS[which]) === true
  }
}
