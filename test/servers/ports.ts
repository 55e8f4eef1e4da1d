/** Ports for servers of tests. */
import { createServer } from 'node:net'

const FIRST = 20_000
const LAST = 29_999
/** Test files run at the same time as processes of their own: each begins elsewhere, so that none takes what another has just looked at. */
let next = FIRST + process.pid * 40 % (LAST - FIRST)

/** The first of so many ports in a row that nobody has at the moment; the same ones are not given again soon. */
export async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 500; tries++) {
    if (next + count > LAST) next = FIRST
    const first = next
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)))
    const taken = free.lastIndexOf(false)
    next = first + (taken === -1 ? count : taken + 1)
    if (taken === -1) return first
  }
  throw new Error('No free ports were found.')
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
