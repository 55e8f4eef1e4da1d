/** `stdout` and `discard`. */
import { defineSink, field } from '../../engine/index.ts'
import { SluiceError } from '../../base/index.ts'

function writeOut(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, error => {
      if (error === null || error === undefined) return resolve()
      const gone = 'code' in error && error.code === 'EPIPE'
      if (gone) return reject(new SluiceError('OUTPUT_CLOSED', 'Nobody reads the standard output any more.', { cause: error }))
      reject(new SluiceError('FILE_WRITE', `The standard output can't be written: ${error.message}`, { cause: error, retry: false }))
    })
  })
}

function ignore(): void {
  // The write that failed tells it.
}

export const stdout = defineSink({
  type: 'stdout',
  summary: 'Write to the standard output',
  config: field.object({
    format: field.choice(['ndjson', 'csv', 'tsv', 'lines'], { default: 'ndjson', description: 'Form of the records' }),
    options: field.formatOptions(['ndjson', 'csv', 'tsv', 'lines'], { description: 'Options of the format' }),
  }),
  durable: 'write',
  examples: [{ title: 'JSON lines', config: {} }],
  encoding: ({ format, options }) => ({ format, options }),
  create: () => ({
    borrows: true,
    open: () => {
      // A reader that went away is told by the next write; without a listener the error would end the process.
      if (!process.stdout.listeners('error').includes(ignore)) process.stdout.on('error', ignore)
      return Promise.resolve()
    },
    write: chunk => writeOut(chunk.bytes),
    flush: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  }),
})

export const discard = defineSink({
  type: 'discard',
  summary: 'Count events and forget them',
  config: field.object({}),
  durable: 'write',
  marks: true,
  examples: [{ title: 'For a measurement', config: {} }],
  encoding: () => ({ format: 'ndjson', options: {} }),
  create: () => ({ borrows: true, open: () => Promise.resolve(), write: () => Promise.resolve(), flush: () => Promise.resolve(null), close: () => Promise.resolve() }),
})
