/** Asks the admin server of another process. Its answers are taken for what they are known to be. */
import { ERRORS, SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'

/** Milliseconds that an answer may take to begin. */
const PATIENCE_MS = 5000

export class AdminClient {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>

  /** `PORT`, `HOST:PORT` or a URL. */
  constructor(address: string, token: string | undefined) {
    this.#base = /^https?:/.test(address) ? address : `http://${/^\d+$/.test(address) ? `127.0.0.1:${address}` : address}`
    this.#headers = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }
  }

  /** Throws ADMIN_ANSWER where nobody answers, or not with success. */
  async ask(path: string, method: 'GET' | 'POST' = 'GET'): Promise<unknown> {
    const response = await this.#fetch(path, method, AbortSignal.timeout(PATIENCE_MS))
    return response.json().catch(() => undefined)
  }

  /** Id of the pipeline that is open there; undefined while none is. Throws ADMIN_ANSWER for what is no admin server. */
  async pipeline(): Promise<string | undefined> {
    const list = await this.ask('/v1/pipelines')
    if (!Array.isArray(list)) throw new SluiceError('ADMIN_ANSWER', `${this.#base} is no admin server of Sluice.`)
    return (list as { readonly id: string }[])[0]?.id // Its own answer.
  }

  /** The lines of an answer that goes on until one of both ends it; a last one without its end is left out. */
  async *lines(path: string, signal: AbortSignal): AsyncGenerator<string> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new DOMException('No answer came.', 'TimeoutError')), PATIENCE_MS)
    const response = await this.#fetch(path, 'GET', AbortSignal.any([signal, late.signal])).finally(() => clearTimeout(timer))
    let rest = ''
    try {
      for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        yield* lines
      }
    } catch (error) {
      if (!signal.aborted) throw new SluiceError('ADMIN_ANSWER', `${this.#base} broke off: ${causeOf(error)}.`, { cause: error })
    }
  }

  async #fetch(path: string, method: 'GET' | 'POST', signal: AbortSignal): Promise<Response> {
    let response: Response
    try {
      response = await fetch(new URL(path, this.#base), { method, headers: this.#headers, signal })
    } catch (error) {
      throw new SluiceError('ADMIN_ANSWER', `Nothing answers at ${this.#base}: ${causeOf(error)}.`, { cause: error })
    }
    if (response.ok) return response
    const answer: unknown = await response.json().catch(() => undefined)
    const { code, message } = typeof answer === 'object' && answer !== null && 'error' in answer ? (answer.error as { readonly code?: string; readonly message?: string }) : {} // Its own answer.
    // What the pipeline itself has to say is told as if it were said here.
    if (code !== undefined && message !== undefined && isErrorCode(code)) throw new SluiceError(code, message)
    // What the server would not take of the request: the call is wrong, and not the server.
    if (response.status === 400 && message !== undefined) throw new SluiceError('CLI_USAGE', `${message.replace(/^(querystring|params|body)\//, '')}${message.endsWith('.') ? '' : '.'}`)
    throw new SluiceError('ADMIN_ANSWER', `${this.#base} answers ${response.status}${message === undefined ? '' : `: ${message}`}${message?.endsWith('.') === true ? '' : '.'}`)
  }
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code)

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
