/** `stdin` and `exec`: bytes that come by themselves. */
import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { SluiceError, untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, FormatChoice, Frame, Framer, Piece, Source } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { framerFor } from './stream-reader.ts'

const FORMAT = {
  format: field.choice(['ndjson', 'json', 'csv', 'tsv', 'lines'], { default: 'ndjson', description: 'Form of the records' }),
  options: field.anything({ default: {}, description: 'Options of the format' }),
}

/** Cuts what a stream brings into pieces, as it comes. */
class ByteStream implements Source {
  readonly live = true
  readonly format: FormatChoice
  readonly #name: string
  readonly #start: () => { readonly stream: Readable; readonly ended: Promise<void> }
  readonly #framer: Framer
  #stream: Readable | undefined
  #end: Promise<void> | undefined
  #chunks: AsyncIterator<Buffer> | undefined
  #pending: Promise<IteratorResult<Buffer>> | undefined
  #position = 0
  #ready: Frame[] = []
  #ended = false

  constructor(name: string, format: FormatChoice, start: () => { readonly stream: Readable; readonly ended: Promise<void> }) {
    this.#name = name
    this.format = format
    this.#start = start
    this.#framer = framerFor(format)()
  }

  open(): Promise<void> {
    const { stream, ended } = this.#start()
    this.#stream = stream
    this.#end = ended
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer> // No encoding is set: chunks are buffers.
    return Promise.resolve()
  }

  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    for (;;) {
      const frame = this.#ready.shift()
      if (frame !== undefined && (frame.data.length > 0 || (frame.rejects ?? []).length > 0)) return this.#piece(frame)
      if (frame !== undefined) continue
      if (this.#ended || signal.aborted) return undefined
      // A read that the signal cut short is kept for the next call.
      this.#pending ??= this.#chunks?.next() ?? Promise.reject(new SluiceError('INTERNAL', `${this.#name} was not opened`))
      const result = await untilAborted(this.#pending, signal)
      if (result === undefined) return undefined
      this.#pending = undefined
      await this.#take(result, bytes)
    }
  }

  async #take(result: IteratorResult<Buffer>, bytes: number): Promise<void> {
    if (result.done === true) {
      this.#ended = true
      await this.#end
      this.#ready.push(...this.#framer.end())
      return
    }
    // What is there already comes along, up to the size of a piece; nothing is waited for.
    const parts = [result.value]
    let length = result.value.length
    for (let more: unknown = this.#stream?.read(); more instanceof Buffer; more = length < bytes ? this.#stream?.read() : null) {
      parts.push(more)
      length += more.length
    }
    this.#ready.push(...this.#framer.push(Buffer.concat(parts), this.#position))
    this.#position += length
  }

  #piece(frame: Frame): Piece {
    const at = (offset: number): JsonValue => ({ from: this.#name, offset })
    const rejects = (frame.rejects ?? []).map(reject => ({ ...reject, position: at(reject.start) }))
    return { position: frame.end, from: at(frame.start), bytes: frame.data.length, data: new Uint8Array(frame.data), rejects, ...(frame.meta === undefined ? {} : { meta: frame.meta }) }
  }

  close(): Promise<void> {
    this.#stream?.destroy()
    return Promise.resolve()
  }
}

export const stdin = defineSource({
  type: 'stdin',
  summary: 'Read the standard input',
  config: field.object(FORMAT),
  examples: [{ title: 'JSON lines', config: {} }],
  create: ({ format, options }) => new ByteStream('stdin', { format, options: (options ?? {}) as JsonValue }, () => ({ stream: process.stdin, ended: Promise.resolve() })), // Options are checked by the codec.
})

function run(command: readonly string[], context: ComponentContext): { readonly stream: Readable; readonly ended: Promise<void> } {
  const [name = '', ...args] = command
  const child = spawn(name, args, { cwd: context.folder, stdio: ['ignore', 'pipe', 'pipe'], shell: false })
  let errors = ''
  child.stderr.on('data', (data: Buffer) => {
    errors = (errors + data.toString('utf8')).slice(-2000)
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', error => reject(new SluiceError('COMMAND_FAILED', `${name} can't be started: ${error.message}`, { cause: error })))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      reject(new SluiceError('COMMAND_FAILED', `${name} ended with ${code === null ? `signal ${signal ?? ''}` : `exit code ${code}`}.${errors === '' ? '' : ` It said: ${errors.trim().slice(-500)}`}`))
    })
  })
  // Whoever reads to the end sees the failure; one that stops before need not.
  ended.catch(() => undefined)
  return { stream: child.stdout, ended }
}

export const exec = defineSource({
  type: 'exec',
  summary: 'Read the output of a command',
  description: 'The command is run as it is given, without a shell. An exit code other than 0 fails the pipeline, after what the command wrote has been read.',
  config: field.object({ command: field.list(field.string(), { minItems: 1, description: 'Program and arguments' }), ...FORMAT }),
  shorthand: 'command',
  examples: [{ title: 'The lines of a log', config: { command: ['tail', '-n', '100', 'app.log'], format: 'lines' } }],
  create: ({ command, format, options }, context) => new ByteStream(command[0] ?? '', { format, options: (options ?? {}) as JsonValue }, () => run(command, context)), // Options are checked by the codec.
})
