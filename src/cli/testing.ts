/** Stand-ins for tests: streams that keep what is written, and a terminal that shows what would be seen. */
import type { Io, TextStream } from './io.ts'

export class StubStream implements TextStream {
  text = ''
  readonly isTerminal: boolean
  readonly columns: number
  readonly colors: boolean

  constructor({ isTerminal = false, columns = 100, colors = false }: { isTerminal?: boolean; columns?: number; colors?: boolean }) {
    this.isTerminal = isTerminal
    this.columns = columns
    this.colors = colors
  }

  write(text: string): void {
    this.text += text
  }
}

export interface StubIo extends Io {
  readonly stdout: StubStream
  readonly stderr: StubStream
  /** Exit codes that were asked for. */
  readonly exits: number[]
  send(signal: 'SIGINT' | 'SIGTERM'): void
  hangUp(): void
}

export function stubIo(options: { readonly folder?: string; readonly stdin?: string; readonly env?: Record<string, string>; readonly isTerminal?: boolean } = {}): StubIo {
  const listeners = new Set<(signal: 'SIGINT' | 'SIGTERM') => void>()
  const hangups = new Set<() => void>()
  const exits: number[] = []
  return {
    stdout: new StubStream({}),
    stderr: new StubStream({ isTerminal: options.isTerminal === true }),
    env: options.env ?? {},
    folder: options.folder ?? process.cwd(),
    readStdin: () => options.stdin ?? '',
    stdin: piecesOf(options.stdin ?? ''),
    output(bytes) {
      this.stdout.write(Buffer.from(bytes).toString('utf8'))
      return Promise.resolve(true)
    },
    onSignal(callback) {
      listeners.add(callback)
      return () => void listeners.delete(callback)
    },
    onHangup(callback) {
      hangups.add(callback)
      return () => void hangups.delete(callback)
    },
    exit: code => void exits.push(code),
    exits,
    send: signal => listeners.forEach(listener => listener(signal)),
    hangUp: () => hangups.forEach(listener => listener()),
  }
}

async function* piecesOf(text: string): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from(text)
}

/** The lines that a terminal shows after this output. Knows the movements that Sluice uses: up some lines, and erase below. */
export function screenOf(output: string): string[] {
  const lines = ['']
  let row = 0
  for (const [part] of output.matchAll(/\u001b\[(\d+)F|\u001b\[0J|\n|[^\u001b\n]+/g)) {
    const up = /^\u001b\[(\d+)F$/.exec(part)?.[1]
    if (up !== undefined) row = Math.max(0, row - Number(up))
    else if (part === '\u001b[0J') lines.splice(row, Infinity, '')
    else if (part === '\n') lines[++row] ??= ''
    else lines[row] += part
  }
  return lines
}
