/** Messages for the operator: one line each, with a level. Where they go is the caller's choice; it is never standard output. */
export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error'

const RANK: Readonly<Record<Level, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 }

/** True where a message of this level is to be told. */
export function isTold(level: Level, least: Level): boolean {
  return RANK[level] >= RANK[least]
}

export class Messages {
  readonly #write: (level: Level, text: string) => void
  readonly #least: number

  /** Messages below `least` are left out. `write` gets the text without a line end. */
  constructor(write: (level: Level, text: string) => void, least: Level = 'info') {
    this.#write = write
    this.#least = RANK[least]
  }

  debug(text: string): void {
    this.#say('debug', text)
  }
  info(text: string): void {
    this.#say('info', text)
  }
  warn(text: string): void {
    this.#say('warn', text)
  }
  error(text: string): void {
    this.#say('error', text)
  }

  #say(level: Level, text: string): void {
    if (RANK[level] >= this.#least) this.#write(level, visible(text))
  }
}

/** Control characters of foreign text (a file name, a server's answer) must not steer the terminal. Line ends and tabs stay. */
export function visible(text: string): string {
  // By code: a pattern of control characters would itself be unreadable.
  let result = ''
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    const steers = (code < 32 && code !== 10 && code !== 9) || (code >= 127 && code < 160)
    result += steers ? `\\x${code.toString(16).padStart(2, '0')}` : character
  }
  return result
}
