/** Where a command reads from and writes to. Tests put their own in its place. */
import { readFileSync } from 'node:fs'

export interface TextStream {
  write(text: string): void
  readonly isTerminal: boolean
  /** Width of the terminal in characters. */
  readonly columns: number
  /** True where colours are wanted: a terminal, or FORCE_COLOR, and no NO_COLOR. */
  readonly colors: boolean
}

export interface Io {
  /** Data only. */
  readonly stdout: TextStream
  /** Progress and messages. */
  readonly stderr: TextStream
  /** All of standard input, as text. */
  readStdin(): string
  /** Bytes of the standard input, as they come. */
  readonly stdin: AsyncIterable<Uint8Array>
  /** Writes data to the standard output and waits until it is taken; false where nobody reads it any more. */
  output(bytes: Uint8Array): Promise<boolean>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder: string
  /** Calls back at SIGINT and SIGTERM until the returned function is called. */
  onSignal(callback: (signal: 'SIGINT' | 'SIGTERM') => void): () => void
  /** Calls back at SIGHUP until the returned function is called; never where a terminal is there, whose end the signal then means. */
  onHangup(callback: () => void): () => void
  /** Ends the process here and now. */
  exit(code: number): void
}

const DEFAULT_COLUMNS = 80

export function systemIo(): Io {
  // A reader such as `head` that has seen enough closes the pipe: for a list that is no failure, and a pipeline's sink tells it by itself.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  return {
    stdout: stream(process.stdout, process.env),
    stderr: stream(process.stderr, process.env),
    readStdin: () => readFileSync(0, 'utf8'),
    // Only looked at when it is asked for: a stream that is read keeps the process alive.
    get stdin() {
      return process.stdin
    },
    output,
    env: process.env,
    folder: process.cwd(),
    onSignal,
    onHangup,
    exit: code => process.exit(code),
  }
}

function stream(to: NodeJS.WriteStream, env: Readonly<Record<string, string | undefined>>): TextStream {
  const isTerminal = to.isTTY === true && env.TERM !== 'dumb'
  return {
    write: text => void to.write(text),
    isTerminal,
    get columns() {
      return to.columns ?? DEFAULT_COLUMNS
    },
    colors: wantsColors(env, isTerminal),
  }
}

/** NO_COLOR (https://no-color.org) wins over FORCE_COLOR, and both over what the stream is. */
export function wantsColors(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  return isTerminal
}

function output(bytes: Uint8Array): Promise<boolean> {
  if (bytes.length === 0) return Promise.resolve(process.stdout.writable)
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error: NodeJS.ErrnoException | null | undefined) => {
      if (error == null) resolve(true)
      else if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') resolve(false)
      else reject(error)
    })
  })
}

function onHangup(callback: () => void): () => void {
  if (process.stderr.isTTY === true) return () => undefined
  process.on('SIGHUP', callback)
  return () => void process.off('SIGHUP', callback)
}

function onSignal(callback: (signal: 'SIGINT' | 'SIGTERM') => void): () => void {
  const int = (): void => callback('SIGINT')
  const term = (): void => callback('SIGTERM')
  process.on('SIGINT', int)
  process.on('SIGTERM', term)
  return () => {
    process.off('SIGINT', int)
    process.off('SIGTERM', term)
  }
}
