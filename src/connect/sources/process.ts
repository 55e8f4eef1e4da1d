/** `stdin` and `exec`: bytes that come by themselves. */
import { spawn } from 'node:child_process'
import { SluiceError, untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, FormatChoice, Frame, Framer, Piece, Source } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { StreamInput, standardInput } from './byte-input.ts'
import type { ByteInput } from './byte-input.ts'
import { framerFor } from './stream-reader.ts'

const FORMAT = {
  format: field.choice(['ndjson', 'json', 'csv', 'tsv', 'lines'], { default: 'ndjson', description: 'Form of the records' }),
  options: field.formatOptions(['ndjson', 'json', 'csv', 'tsv', 'lines'], { description: 'Options of the format' }),
}

interface Started {
  readonly input: ByteInput
  /** Rejects where what brings the bytes has failed. */
  readonly ended: Promise<void>
}

/** Cuts what a stream brings into pieces, as it comes. */
class ByteStream implements Source {
  readonly live = true
  readonly format: FormatChoice
  readonly #name: string
  readonly #start: () => Started
  readonly #framer: Framer
  #started: Started | undefined
  #pending: Promise<{ readonly part: Uint8Array | undefined }> | undefined
  #position = 0
  #ready: Frame[] = []
  #ended = false

  constructor(name: string, format: FormatChoice, start: () => Started) {
    this.#name = name
    this.format = format
    this.#start = start
    this.#framer = framerFor(format)()
  }

  open(): Promise<void> {
    this.#started = this.#start()
    return Promise.resolve()
  }

  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    for (;;) {
      const frame = this.#ready.shift()
      if (frame !== undefined && (frame.data.length > 0 || (frame.rejects ?? []).length > 0)) return this.#piece(frame)
      if (frame !== undefined) continue
      if (this.#ended || signal.aborted) return undefined
      // A read that the signal cut short is kept for the next call.
      this.#pending ??= this.#read(bytes)
      const read = await untilAborted(this.#pending, signal)
      if (read === undefined) return undefined
      this.#pending = undefined
      await this.#take(read.part)
    }
  }

  async #read(bytes: number): Promise<{ readonly part: Uint8Array | undefined }> {
    return { part: await this.#started?.input.next(bytes) }
  }

  async #take(part: Uint8Array | undefined): Promise<void> {
    if (part === undefined) {
      this.#ended = true
      await this.#started?.ended
      this.#ready.push(...this.#framer.end())
      return
    }
    this.#ready.push(...this.#framer.push(part, this.#position))
    this.#position += part.length
  }

  #piece(frame: Frame): Piece {
    const at = (offset: number): JsonValue => ({ from: this.#name, offset })
    const rejects = (frame.rejects ?? []).map(reject => ({ ...reject, position: at(reject.start) }))
    return { position: frame.end, from: at(frame.start), bytes: frame.data.length, data: frame.data, rejects, ...(frame.meta === undefined ? {} : { meta: frame.meta }) }
  }

  close(): Promise<void> {
    this.#started?.input.close()
    return Promise.resolve()
  }
}

export const stdin = defineSource({
  type: 'stdin',
  summary: 'Read the standard input',
  config: field.object(FORMAT),
  examples: [{ title: 'JSON lines', config: {} }],
  create: ({ format, options }) => new ByteStream('stdin', { format, options }, () => ({ input: standardInput(), ended: Promise.resolve() })),
})

function run(command: readonly string[], context: ComponentContext): Started {
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
  return { input: new StreamInput(child.stdout), ended }
}

export const exec = defineSource({
  type: 'exec',
  summary: 'Read the output of a command',
  description: 'The command is run as it is given, without a shell. An exit code other than 0 fails the pipeline, after what the command wrote has been read.',
  config: field.object({ command: field.list(field.string(), { minItems: 1, description: 'Program and arguments' }), ...FORMAT }),
  shorthand: 'command',
  examples: [{ title: 'The lines of a log', config: { command: ['tail', '-n', '100', 'app.log'], format: 'lines' } }],
  create: ({ command, format, options }, context) => new ByteStream(command[0] ?? '', { format, options }, () => run(command, context)),
})
