/**
 * Puts the settings of `sluice process` together: a flag goes before the environment, the environment before the config, and what nobody sets is left to the pipeline.
 */
import { resolve } from 'node:path'
import { suggest } from '../../base/index.ts'
import { readTextNow } from '../../platform/index.ts'
import { UsageError } from '../failure.ts'
import { reason } from '../input.ts'
import type { Io } from '../io.ts'
import { FLAG_NAMES, flagOf, keyOf, variableOf } from './flags.ts'
import type { FlagName, Values } from './flags.ts'
import { isList } from './kinds.ts'
import type { Given } from './kinds.ts'

/** Where a value comes from. */
export type Origin = 'flag' | 'environment' | 'config'

export interface Settled {
  readonly values: Values
  readonly origins: ReadonlyMap<FlagName, Origin>
  /** Variables of the environment that look as if they were meant for this command, and are not. */
  readonly strange: readonly string[]
}

interface Found {
  readonly given: Given
  readonly origin: Origin
  /** How a message names it. */
  readonly name: string
}

/** Values of the flags by name, as commander gives them; switches are `true`. */
export type Flags = Readonly<Partial<Record<string, string | boolean | readonly string[]>>>

export async function settle(flags: Flags, io: Io): Promise<Settled> {
  const path = flags['config'] ?? io.env[variableOf('config')]
  const config = typeof path === 'string' && path !== '' ? await readConfig(path, io) : new Map<FlagName, Found>()
  const values: Partial<Record<FlagName, unknown>> = {}
  const origins = new Map<FlagName, Origin>()
  for (const name of FLAG_NAMES) {
    const found = fromFlags(name, flags) ?? fromEnvironment(name, io) ?? config.get(name)
    if (found === undefined) continue
    values[name] = read(name, found)
    origins.set(name, found.origin)
  }
  return { values: values as Values, origins, strange: strangeNames(io) } // Each value was read by its own kind.
}

function fromFlags(name: FlagName, flags: Flags): Found | undefined {
  const given = flags[name]
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return undefined
  return { given: typeof given === 'boolean' ? String(given) : given, origin: 'flag', name: shownFlag(name) }
}

/** A variable that is empty says nothing. */
function fromEnvironment(name: FlagName, { env }: Io): Found | undefined {
  const given = env[variableOf(name)]
  return given === undefined || given === '' ? undefined : { given, origin: 'environment', name: variableOf(name) }
}

/** Files have no flag: they stand behind the others. */
export function shownFlag(name: FlagName): string {
  if (flagOf(name).secret === true) return variableOf(name)
  return name === 'files' ? 'The list of files' : `--${name}`
}

function read(name: FlagName, { given, name: shown }: Found): unknown {
  const { kind, secret } = flagOf(name)
  const value = kind.read(given)
  if (value !== undefined) return value
  const got = secret === true ? '' : `, not ${typeof given === 'string' ? JSON.stringify(given) : isList(given) ? given.map(each => JSON.stringify(each)).join(', ') : 'a map'}`
  throw new UsageError('CLI_USAGE', `${shown} takes ${kind.wanted}${got}.`)
}

function strangeNames({ env }: Io): string[] {
  const known = [...FLAG_NAMES, 'config'].map(variableOf)
  return Object.keys(env).filter(name => name.startsWith('SLUICE_PROCESS_') && !known.includes(name)).map(name => {
    const near = suggest(name, known)
    return `The environment variable ${name} means nothing${near === undefined ? '' : `: did you mean ${near}?`}`
  })
}

// --------------------------------------------------------------------------------------------------------------- config

async function readConfig(file: string, io: Io): Promise<Map<FlagName, Found>> {
  let text: string | undefined
  try {
    text = readTextNow(resolve(io.folder, file))
  } catch (error) {
    throw new UsageError('CLI_FILE_MISSING', `${file} can't be read: ${reason(error)}.`)
  }
  if (text === undefined) throw new UsageError('CLI_FILE_MISSING', `${file} can't be read: it is not there.`)
  const { LineCounter, isCollection, isMap, isScalar, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, schema: 'core' })
  const [problem] = document.errors
  if (problem !== undefined) throw new UsageError('CLI_USAGE', `${file}:${lines.linePos(problem.pos[0]).line} is no YAML: ${problem.message}.`)
  const found = new Map<FlagName, Found>()
  if (document.contents === null) return found
  if (!isMap(document.contents)) throw new UsageError('CLI_USAGE', `${file} is not a config for sluice process: it holds no keys.`, 'For example: topic: orders')
  for (const { key, value } of document.contents.items) {
    const at = isScalar(key) && key.range ? lines.linePos(key.range[0]).line : 1
    const name = nameOf(String(key), `${file}:${at}`)
    const given = givenOf(isScalar(value) ? value.source ?? value.value : isCollection(value) ? value.toJS(document) : null)
    if (given === undefined) throw new UsageError('CLI_USAGE', `${keyOf(name)} (${file}:${at}) takes ${flagOf(name).kind.wanted}.`)
    if (given !== '') found.set(name, { given, origin: 'config', name: `${keyOf(name)} (${file}:${at})` })
  }
  return found
}

function nameOf(key: string, place: string): FlagName {
  const name = FLAG_NAMES.find(each => keyOf(each) === key)
  if (name !== undefined) return name
  const near = suggest(key, FLAG_NAMES.map(keyOf))
  const hint = near !== undefined ? `Did you mean "${near}"?` : 'A pipeline is run by sluice run; the keys here are those of the flags.'
  throw new UsageError('CLI_USAGE', `${place} has a key "${key}", which sluice process does not know.`, hint)
}

/** Texts, of what YAML made of them; empty where nothing was said, undefined for what no setting takes. */
function givenOf(value: unknown): Given | undefined {
  if (value === null) return ''
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return textsOf(value)
  if (typeof value !== 'object') return undefined
  const texts = textsOf(Object.values(value))
  return texts === undefined ? undefined : Object.fromEntries(Object.keys(value).map((key, at) => [key, texts[at] ?? '']))
}

function textsOf(values: readonly unknown[]): string[] | undefined {
  const texts = values.map(each => (typeof each === 'string' || typeof each === 'number' || typeof each === 'boolean' ? String(each) : undefined))
  return texts.every(each => each !== undefined) ? texts : undefined
}
