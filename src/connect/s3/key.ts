/** Keys of objects: made of a template whose values are cleaned, so that none leads out of the template's literal beginning. */
import { SluiceError } from '../../base/index.ts'
import type { CompiledTemplate } from '../../engine/index.ts'
import type { Event } from '../../event/index.ts'

/** Bytes that S3 lets a key have. */
const KEY_MAX = 1024
/** Characters of a value that become part of a key. */
const VALUE_MAX = 200
/** What may stand in a key without giving anybody trouble: letters and digits of all scripts, and some signs. */
const OTHERS = /[^\p{L}\p{N}\p{M} _.=+@,:~-]/gu
/** Room for the id of an object, which is put in later. */
const ID_MAX = 40

/** A value as one step of a path: no separators, no braces, no dots alone, never empty. */
export function cleanValue(value: string): string {
  const clean = value.slice(0, VALUE_MAX).replace(OTHERS, '_')
  return clean === '' || /^\.+$/.test(clean) ? '_' : clean
}

/** The key of an event without the id. Throws PATH_ESCAPE for one that can't be. */
export function keyOf(template: CompiledTemplate, event: Event): string {
  const key = template(event, cleanValue)
  if (key.split('/').some(step => step === '..' || step === '.')) throw new SluiceError('PATH_ESCAPE', `The key ${JSON.stringify(key.slice(0, 200))} has a step of dots alone.`)
  if (Buffer.byteLength(key) > KEY_MAX - ID_MAX) throw new SluiceError('PATH_ESCAPE', `The key ${JSON.stringify(key.slice(0, 200))}... is longer than ${KEY_MAX - ID_MAX} bytes.`)
  return key
}

/** Throws CONFIG_VALUE for a template that can't be a key. */
export function checkTemplate({ prefix, literal, source }: CompiledTemplate): void {
  const wrong = prefix === '' && !literal ? 'must begin with a literal part, not with an expression' : source.startsWith('/') ? 'must not begin with a slash' : source.endsWith('/') ? 'must end with a name, not with a slash' : undefined
  if (wrong !== undefined) throw new SluiceError('CONFIG_VALUE', `The key ${JSON.stringify(source)} ${wrong}: results/dt={format_time(time, "yyyy-MM-dd")}/rows.ndjson.zst`)
}

/** Digits of an offset in a key, so that names stand in the order of offsets. */
const DIGITS = 12

/** Puts the id into a key, where `{id}` stands, else before the ending; and for `{first}` the offset of the first record. */
export function withId(template: string, id: string, first?: number): string {
  const key = template.replaceAll('{first}', first === undefined ? '_' : String(first).padStart(DIGITS, '0'))
  if (key.includes('{id}')) return key.replaceAll('{id}', id)
  const slash = key.lastIndexOf('/') + 1
  const ending = /(?:\.[A-Za-z0-9]+)?(?:\.(?:gz|zst))?$/.exec(key.slice(slash))?.[0] ?? ''
  const stem = key.slice(0, key.length - ending.length)
  return `${stem}${stem.length > slash ? '-' : ''}${id}${ending}`
}
