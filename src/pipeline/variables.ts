/**
 * Puts values in the place of `${NAME}`, `${NAME:default}` and `${file:PATH}` in the text leaves of a config.
 *
 * It happens after parsing: a value never becomes structure. `$${` stands for `${` itself. `${param:...}` belongs to templates and is left alone.
 * What came from the environment or a file is never shown again, neither in messages nor by `echo`.
 */
import { dirname, resolve } from 'node:path'
import type { Diagnostics } from './diagnostic.ts'
import type { ReadText } from './documents.ts'
import type { Place } from './source-file.ts'
import { broken, leaf, mapLeaves } from './tree.ts'
import type { Leaf, Made, Tree } from './tree.ts'

export interface VariableSources {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readText: ReadText
  readonly diagnostics: Diagnostics
}

/** A value from a file may be this long: it is a secret or a name, not data. */
export const VALUE_MAX = 64 * 1024

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

export function substituteVariables(tree: Tree, sources: VariableSources): Tree {
  return mapLeaves(tree, one => (typeof one.value === 'string' && one.value.includes('${') ? substitute(one, one.value, sources) : one))
}

interface Found {
  readonly value: string
  readonly origin: string
  readonly open: boolean
}

function substitute(one: Leaf, text: string, sources: VariableSources): Leaf {
  const origins: string[] = []
  let open = true
  let result = ''
  let parameters = false
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('${', at)
    if (next < 0) {
      result += text.slice(at)
      break
    }
    if (text[next - 1] === '$' && next > at) {
      result += `${text.slice(at, next - 1)}\${`
      at = next + 2
      continue
    }
    result += text.slice(at, next)
    const end = text.indexOf('}', next)
    if (end < 0) {
      sources.diagnostics.error('CONFIG_VALUE', placeIn(one, next, text.length), 'This ${ is not closed.', { hint: 'Write $${ for the two characters themselves.' })
      return broken(one.place)
    }
    const reference = text.slice(next + 2, end)
    if (reference.startsWith('param:')) {
      parameters = true
      result += text.slice(next, end + 1)
    } else {
      const found = find(reference, placeIn(one, next, end + 1), sources)
      if (found === undefined) return broken(one.place)
      result += found.value
      origins.push(found.origin)
      open &&= found.open
    }
    at = end + 1
  }
  if (origins.length === 0) return parameters && result === text ? one : { ...one, value: result }
  const made: Made = { raw: text, whole: isWhole(text), origins, open }
  return { ...leaf(result, one.place, made), written: result }
}

/** True where the text is one reference and nothing else. */
function isWhole(text: string): boolean {
  return text.startsWith('${') && text.indexOf('}') === text.length - 1
}

function placeIn(one: Leaf, from: number, to: number): Place {
  const start = one.locate(from)
  return { file: one.place.file, start, end: Math.max(start + 1, one.locate(to)) }
}

function find(reference: string, place: Place, sources: VariableSources): Found | undefined {
  if (reference.startsWith('file:')) return findFile(reference.slice(5), place, sources)
  const colon = reference.indexOf(':')
  const name = colon < 0 ? reference : reference.slice(0, colon)
  if (!NAME.test(name)) {
    sources.diagnostics.error('CONFIG_VALUE', place, `"${name}" is not the name of a variable.`, { expected: '${NAME}, ${NAME:default} or ${file:PATH}', hint: 'A reference is ${NAME}, ${NAME:default} or ${file:PATH}; $${ stands for the two characters themselves.' })
    return undefined
  }
  const value = Object.hasOwn(sources.env, name) ? sources.env[name] : undefined
  if (value !== undefined) return { value, origin: `environment ${name}`, open: false }
  if (colon >= 0) return { value: reference.slice(colon + 1), origin: `default of ${name}`, open: true }
  sources.diagnostics.error('CONFIG_VARIABLE', place, `The environment variable ${name} is not set.`, { hint: `Set it, or give a default: \${${name}:default}.` })
  return undefined
}

/** One line end at the end belongs to the file, not to the value. */
function findFile(path: string, place: Place, { readText, diagnostics }: VariableSources): Found | undefined {
  const fail = (what: string): undefined => {
    diagnostics.error('CONFIG_VARIABLE', place, path.trim() === '' ? 'This reference names no file.' : `The file ${path} ${what}`, { expected: '${file:PATH}' })
  }
  if (path.trim() === '') return fail('')
  let text: string | undefined
  try {
    text = readText(resolve(dirname(place.file.path), path))
  } catch (error) {
    return fail(`can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (text === undefined) return fail('is not there.')
  if (text.length > VALUE_MAX) return fail(`has more than ${VALUE_MAX} characters.`)
  return { value: text.replace(/\r?\n$/, ''), origin: `file ${path}`, open: false }
}
