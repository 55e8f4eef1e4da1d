/** The connections that this process makes, so that a test can cut them. The first one is the test's own and is spared: this is loaded, and it is opened, before any component. */
import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'

const sockets = new Set<Socket>()
let own: Socket | undefined
subscribe('net.client.socket', message => {
  const socket = typeof message === 'object' && message !== null && 'socket' in message ? message.socket : undefined
  if (!(socket instanceof Socket)) return
  own ??= socket
  if (socket === own) return
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

/** Cuts every connection of the components under test. */
export function cutAll(): void {
  for (const socket of sockets) socket.destroy(new Error('cut by the test'))
}
