/**
 * A digest of JSON lines that does not depend on the order of lines or keys: two systems did the same work if their outputs' digests are equal.
 *
 *     node bench/events/digest.ts FILE...
 */
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'

export interface Digest {
  readonly lines: number
  readonly bytes: number
  /** Lines that are not JSON. */
  readonly broken: number
  /** Sums of two hashes of each line's canonical form, 16 hexadecimal digits. */
  readonly digest: string
}

/** A value's text with sorted keys and no white space. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(',')}}`
}

class LineHasher {
  lines = 0
  broken = 0
  #fnv = 0
  #djb = 0

  add(line: string): void {
    this.lines++
    let text: string
    try {
      text = canonical(JSON.parse(line))
    } catch {
      this.broken++
      return
    }
    let fnv = 0x811c9dc5
    let djb = 5381
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      fnv = Math.imul(fnv ^ code, 0x01000193)
      djb = (Math.imul(djb, 33) + code) | 0
    }
    this.#fnv = (this.#fnv + (fnv >>> 0)) >>> 0
    this.#djb = (this.#djb + (djb >>> 0)) >>> 0
  }

  get digest(): string {
    return this.#fnv.toString(16).padStart(8, '0') + this.#djb.toString(16).padStart(8, '0')
  }
}

/** The digest of one or several files taken together. */
export async function digestOf(...paths: readonly string[]): Promise<Digest> {
  const hasher = new LineHasher()
  let bytes = 0
  for (const path of paths) {
    let rest = ''
    for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
      const text = rest + String(chunk)
      bytes += Buffer.byteLength(String(chunk))
      const lines = text.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line !== '') hasher.add(line)
    }
    if (rest !== '') hasher.add(rest)
  }
  return { lines: hasher.lines, bytes, broken: hasher.broken, digest: hasher.digest }
}

if (import.meta.main) {
  for (const path of process.argv.slice(2)) {
    const { lines, bytes, broken, digest } = await digestOf(path)
    console.log(`${basename(path)} lines=${lines} digest=${digest} bytes=${bytes}${broken > 0 ? ` broken=${broken}` : ''}`)
  }
}
