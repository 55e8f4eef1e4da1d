import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { StreamInput } from './byte-input.ts'

const digest = (bytes: Uint8Array): string => `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`

/** Reads its standard input in parts, slowly at times, and prints how many bytes there were and their digest. */
const READER = `
import { standardInput } from ${JSON.stringify(new URL('byte-input.ts', import.meta.url).href)}
import { createHash } from 'node:crypto'
const input = standardInput()
const hash = createHash('sha1')
let length = 0
for (let round = 0; ; round++) {
  const most = round % 3 === 0 ? 1000 : 100_000
  const part = await input.next(most)
  if (part === undefined) break
  if (part.length > most) throw new Error('a part of ' + part.length + ' bytes, and ' + most + ' were asked for')
  if (round % 7 === 0) await new Promise(resolve => setImmediate(resolve))
  hash.update(part)
  length += part.length
}
input.close()
console.log(length + ' ' + hash.digest('hex'))
`

/** What the reader saw, given a pipe that gets the parts one after the other, or an open file. */
async function seen(input: readonly Uint8Array[] | number): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', READER], { stdio: [typeof input === 'number' ? input : 'pipe', 'pipe', 'inherit'] })
  let text = ''
  child.stdout?.on('data', (data: Buffer) => (text += data.toString()))
  if (typeof input !== 'number') Readable.from(input, { objectMode: true }).pipe(child.stdin as NodeJS.WritableStream) // It is a pipe.
  await once(child, 'close')
  return text.trim()
}

const parts = (count: number, size: number): Uint8Array[] => Array.from({ length: count }, (_, n) => new Uint8Array(size).fill(n))

test('a pipe is read to its end, byte for byte, however it is cut', async () => {
  for (const input of [[], parts(1, 1), parts(300, 17), parts(40, 200_000)]) assert.equal(await seen(input), digest(Buffer.concat(input)))
})

test('a file as standard input is read to its end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-input-'))
  try {
    const bytes = Buffer.concat(parts(5, 123_457))
    writeFileSync(join(folder, 'in'), bytes)
    const fd = openSync(join(folder, 'in'), 'r')
    assert.equal(await seen(fd), digest(bytes))
    closeSync(fd)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what a stream has ready comes in one part, up to the size that is asked for', async () => {
  const stream = new Readable({ read: () => undefined })
  const input = new StreamInput(stream)
  for (const part of ['ab', 'cd', 'ef']) stream.push(part)
  stream.push(null)
  const read = async (): Promise<string | undefined> => {
    const part = await input.next(3)
    return part === undefined ? undefined : Buffer.from(part).toString()
  }
  const got: string[] = []
  for (let part = await read(); part !== undefined; part = await read()) got.push(part)
  assert.equal(got.join(''), 'abcdef')
})

test('an error of the stream is thrown where it is read', async () => {
  const stream = new Readable({ read: () => undefined })
  const input = new StreamInput(stream)
  const next = input.next(10)
  stream.destroy(new Error('torn'))
  await assert.rejects(next, /torn/)
})

test('what a command wrote before it ended is there for a reader who comes later', async () => {
  // Workers take a while to start: by then a short command has ended, and all that it had written was gone.
  const child = spawn(process.execPath, ['-e', 'process.stdout.write("all of it")'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const input = new StreamInput(child.stdout)
  await once(child, 'exit')
  await new Promise(setImmediate)
  assert.equal(Buffer.from((await input.next(100)) ?? []).toString(), 'all of it')
  assert.equal(await input.next(100), undefined)
})
