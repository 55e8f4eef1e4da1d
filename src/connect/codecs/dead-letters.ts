/**
 * Dead letters: the events in their original form, read again by the format of the source that each came from.
 *
 * What reads them again tells the formats (`formats`, by the id of the source, with options as they are used). A letter of a source that it does not tell of is read as JSON.
 */
import { SluiceError } from '../../base/index.ts'
import { defineCodec, field } from '../../engine/index.ts'
import type { CodecDeclaration, Decoder, Framer } from '../../engine/index.ts'
import { Event, decodeJsonLines } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'

interface Format {
  readonly format: string
  readonly options: Readonly<Record<string, unknown>>
}

/** How a source's originals become events. */
type Read = (original: Uint8Array, meta: JsonValue | undefined, source: string, take: (text: string) => void, refuse: (error: unknown) => void) => void

export function deadLetters(codecs: readonly CodecDeclaration[], framer: (recordMax: number) => Framer): CodecDeclaration {
  return defineCodec({
    type: 'dead_letters',
    summary: 'Records that a pipeline gave up, read back as the events they were',
    config: field.object({
      record_max: field.size({ default: '1MiB', description: 'Most bytes of one record; longer ones go to the dead letters' }),
      formats: field.anything({ default: {}, description: 'By the id of a source: how its originals are read. Set by `--input-dead-letters`' }),
    }),
    framer: config => framer(config.record_max),
    decoder: config => decoderOf(codecs, config.formats as Readonly<Record<string, Format>>), // Made by whoever feeds the letters in.
  }) as CodecDeclaration // A codec of one config is a codec.
}

function decoderOf(codecs: readonly CodecDeclaration[], formats: Readonly<Record<string, Format>>): Decoder {
  const reads = new Map(Object.entries(formats).map(([source, format]) => [source, readOf(codecs, format)]))
  return {
    decode: (slab, from, to, _meta, out) => {
      decodeJsonLines(slab, from, to, {
        event: letter => {
          const { value, start, end } = letter
          const record = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>) : {} // An object that is no array.
          const original = originalOf(record)
          if (original === undefined) return out.reject(start, end, new SluiceError('JSON_SYNTAX', 'The record has no "original".'))
          const source = String(record['source'])
          const read = reads.get(source) ?? readJson
          read(original, record['meta'], source, text => out.event(new Event(slab, start, end, text)), error => out.reject(start, end, error))
        },
        reject: (start, end, error) => out.reject(start, end, error),
      })
    },
  }
}

function originalOf(record: Readonly<Record<string, JsonValue>>): Uint8Array | undefined {
  const { original, original_base64: packed } = record
  if (typeof original === 'string') return Buffer.from(original)
  return typeof packed === 'string' ? Buffer.from(packed, 'base64') : undefined
}

const readJson: Read = (original, _meta, _source, take, refuse) => {
  const text = Buffer.from(original).toString('utf8')
  try {
    JSON.parse(text)
  } catch (error) {
    return refuse(new SluiceError('JSON_SYNTAX', `The original is still not JSON: ${error instanceof Error ? error.message : ''}`))
  }
  take(text)
}

/** A record of a log: the original is its value. */
const readText: Read = (original, _meta, _source, take) => take(JSON.stringify({ line: Buffer.from(original).toString('utf8') }))

function readOf(codecs: readonly CodecDeclaration[], { format, options }: Format): Read {
  if (format === 'log_records') return options['value'] === 'text' ? readText : readJson
  const decoder = codecs.find(({ type }) => type === format)?.decoder?.(options)
  if (decoder === undefined || format === 'ndjson' || format === 'json') return readJson
  return (original, meta, source, take, refuse) => {
    const slab: Slab = { source, bytes: original, locate: () => null }
    // These formats are read at once; a promise would mean that the originals come in another order.
    void decoder.decode(slab, 0, original.length, meta, { event: event => take(event.text), reject: (_start, _end, error) => refuse(error) })
  }
}
