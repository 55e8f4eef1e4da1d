/** Calls the `sluice` command as a person would: in a process of its own, in a folder of its own. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const COMMAND = join(import.meta.dirname, '../../bin/sluice.js')

export interface Called {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface CallOptions {
  readonly folder?: string
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with each piece of standard output and error; may send signals. */
  readonly onOutput?: (text: string, send: (signal: 'SIGINT' | 'SIGTERM') => void) => void
}

/** Runs `sluice` to its end. */
export function sluice(args: readonly string[], { folder, stdin = '', env = {}, onOutput }: CallOptions = {}): Promise<Called> {
  const { promise, resolve, reject } = Promise.withResolvers<Called>()
  const child = spawn(process.execPath, [COMMAND, ...args], { cwd: folder, env: { PATH: process.env.PATH ?? '', ...env } })
  let [out, err] = ['', '']
  const send = (signal: 'SIGINT' | 'SIGTERM'): void => void child.kill(signal)
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    onOutput?.(text, send)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    onOutput?.(text, send)
  })
  child.on('error', reject)
  child.on('close', code => resolve({ code, out, err }))
  child.stdin.end(stdin)
  return promise
}

/** A new folder with these files; it goes when the test ends. */
export function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** Text of a run with what differs from run to run made equal. */
export function steady(text: string): string {
  return text
    .replace(/\b[\d.]+(ms|s|m\d+s)\b/g, 'TIME')
    .replace(/[\d.]+[kM]? events\/s/g, 'RATE')
    .replace(/\d+ [KMG]iB at most/g, 'MEMORY')
}
