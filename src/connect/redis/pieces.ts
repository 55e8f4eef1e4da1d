/** Makes pieces of entries: the texts of the events, and beside them what else the entries hold. */
import type { SourceReject } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import type { EntryForm, EntryMeta } from './entries-codec.ts'
import type { Entry } from './group.ts'

export interface EntriesPiece {
  readonly taken: readonly string[]
  readonly rest: readonly Entry[]
  readonly from: JsonValue
  readonly bytes: number
  readonly data: Uint8Array
  readonly meta: JsonValue
  readonly rejects: readonly SourceReject[]
}

/** What an entry costs beside its fields: its id. */
const ENTRY_BYTES = 16

/** As many entries as make about so many bytes, at least one. */
export function takePiece(stream: string, entries: readonly Entry[], bytes: number, form: EntryForm): EntriesPiece {
  const texts: Uint8Array[] = []
  const metas: EntryMeta[] = []
  const rejects: SourceReject[] = []
  const taken: string[] = []
  let [end, cost] = [0, 0]
  for (const { id, fields = [] } of entries) {
    const size = ENTRY_BYTES + fields.reduce((sum, one) => sum + one.length, 0)
    if (taken.length > 0 && cost + size > bytes) break
    cost += size
    taken.push(id)
    const { text, ...more } = form.value === 'fields' ? { text: objectOf(fields) } : bodyOf(fields, form)
    if (text === undefined) {
      const reason = `The entry ${id} of "${stream}" has no field "${form.body}". If its fields are those of the event, set "value: fields".`
      rejects.push({ position: { stream, id }, code: 'FIELD_TYPE', reason, original: objectOf(fields) })
      continue
    }
    end += text.length
    texts.push(text)
    metas.push({ id, end, ...more })
  }
  const meta = { stream, entries: metas } as unknown as JsonValue // Texts and numbers.
  return { taken, rest: entries.slice(taken.length), from: { stream, id: taken[0] ?? '' }, bytes: cost, data: Buffer.concat(texts), meta, rejects }
}

function objectOf(fields: readonly Buffer[]): Buffer {
  const members: string[] = []
  for (let at = 0; at + 1 < fields.length; at += 2) members.push(`${JSON.stringify(String(fields[at]))}:${JSON.stringify(String(fields[at + 1]))}`)
  return Buffer.from(`{${members.join(',')}}`)
}

function bodyOf(fields: readonly Buffer[], form: EntryForm): { readonly text: Buffer | undefined; readonly key?: string; readonly headers?: Readonly<Record<string, string>> } {
  let text: Buffer | undefined
  let key: string | undefined
  const headers: [string, string][] = []
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [name, value] = [String(fields[at]), fields[at + 1]]
    if (name === form.body) text ??= value
    else if (name === form.key) key ??= String(value)
    else headers.push([name, String(value)])
  }
  return { text, ...(key === undefined ? {} : { key }), ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }) }
}
