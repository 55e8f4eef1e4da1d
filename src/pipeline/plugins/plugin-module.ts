/**
 * Finds the module of a plug-in and imports it.
 *
 * A name that begins with a dot or a slash is a file, seen from the folder of the config that names it; any other is a package, found as Node finds it from that folder.
 * Node keeps modules by address: when a file has changed since this process first loaded it, its new text gets an address of its own, so that a reload sees it.
 */
import { createHash } from 'node:crypto'
import { findPackageJSON, registerHooks } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SluiceError } from '../../base/index.ts'
import type { PluginConfig } from '../../engine/index.ts'
import { readTextNow, systemClock } from '../../platform/index.ts'

/** Milliseconds that a module may take to load. */
const LOAD_MS = 30_000

/** The text of each file when it was first loaded here, as a hash. */
const first = new Map<string, string>()

export interface PluginModule {
  /** Absolute path of the file that was loaded. */
  readonly path: string
  /** Hash of its text. */
  readonly text: string
  readonly exported: Readonly<Record<string, unknown>>
}

export function isFileName(name: string): boolean {
  return name.startsWith('.') || isAbsolute(name)
}

/** Throws PLUGIN_LOAD or PLUGIN_VERSION. */
export async function importPlugin(plugin: PluginConfig): Promise<PluginModule> {
  const { name, folder } = plugin
  const path = isFileName(name) ? fileOf(plugin) : packageOf(plugin)
  if (!isFileName(name)) await checkVersion(name, folder)
  const url = pathToFileURL(path)
  const hash = createHash('sha256').update(readTextNow(path) ?? '').digest('hex').slice(0, 16)
  if (plugin.text !== undefined && plugin.text !== hash) throw new SluiceError('PLUGIN_LOAD', `${name} has changed since the pipeline was loaded: ${path}. Reload the pipeline, or start it again.`)
  if (!first.has(path)) first.set(path, hash)
  if (first.get(path) !== hash) url.searchParams.set('text', hash)
  const late = Promise.withResolvers<never>()
  const cancel = systemClock.timer(LOAD_MS, () => late.reject(new Error(`it had not ended after ${LOAD_MS / 1000} s: something at its top level waits without end`)))
  try {
    const exported = await Promise.race([import(url.href), late.promise]) as Readonly<Record<string, unknown>> // A module's exports by name.
    return { path, text: hash, exported }
  } catch (error) {
    throw new SluiceError('PLUGIN_LOAD', `${name} can't be loaded: ${reasonOf(error)}${placeIn(path, error)}`, { cause: error })
  } finally {
    cancel()
  }
}

function fileOf({ name, folder }: PluginConfig): string {
  const path = resolve(folder, name)
  let text: string | undefined
  try {
    text = readTextNow(path)
  } catch (error) {
    throw new SluiceError('PLUGIN_LOAD', `${name} can't be read: ${reasonOf(error)}`, { cause: error })
  }
  if (text !== undefined) return path
  const other = ['.ts', '.js', '.mts', '.mjs'].find(ending => isThere(path + ending))
  throw new SluiceError('PLUGIN_LOAD', `${name} is not there: ${path} was looked for.${other === undefined ? '' : ` Did you mean "${name}${other}"?`}`)
}

function isThere(path: string): boolean {
  try {
    return readTextNow(path) !== undefined
  } catch {
    return false
  }
}

const MARK = 'sluice-plugin:'
let hooked = false

/** As Node itself finds a package from a folder, with all that its `exports` say. */
function packageOf({ name, folder }: PluginConfig): string {
  if (!hooked) {
    registerHooks({
      resolve(specifier, context, next) {
        if (!specifier.startsWith(MARK)) return next(specifier, context)
        const [wanted = '', parentURL = ''] = specifier.slice(MARK.length).split(' ').map(part => decodeURIComponent(part))
        return next(wanted, { ...context, parentURL })
      },
    })
    hooked = true
  }
  try {
    return fileURLToPath(import.meta.resolve(`${MARK}${encodeURIComponent(name)} ${encodeURIComponent(pathToFileURL(join(folder, 'pipeline')).href)}`))
  } catch (error) {
    const local = isThere(resolve(folder, name)) ? ` There is a file of that name: write "./${name}".` : ''
    if (local === '' && codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw new SluiceError('PLUGIN_LOAD', `The package ${name} can't be loaded: ${reasonOf(error)}`, { cause: error })
    throw new SluiceError('PLUGIN_LOAD', `There is no package "${name}" to be found from ${folder}.${local === '' ? ` Install it there: npm install ${name}` : local}`, { cause: error })
  }
}

/** Holds the range of a package's `peerDependencies.sluice` against this version. */
async function checkVersion(name: string, folder: string): Promise<void> {
  const own = jsonAt(fileURLToPath(new URL('../../../package.json', import.meta.url)))['version']
  const path = findPackageJSON(name, pathToFileURL(join(folder, 'pipeline')))
  if (path === undefined || typeof own !== 'string') return
  const { version, peerDependencies } = jsonAt(path)
  const peers = typeof peerDependencies === 'object' && peerDependencies !== null ? (peerDependencies as Readonly<Record<string, unknown>>) : {} // An object.
  const wanted = peers['sluice']
  if (typeof wanted !== 'string') return
  const { satisfies, validRange } = (await import('semver')).default
  if (validRange(wanted) === null) throw new SluiceError('PLUGIN_VERSION', `${name} asks for sluice ${JSON.stringify(wanted)} in its package.json, which is no range of versions.`)
  if (satisfies(own, wanted, { includePrerelease: true })) return
  throw new SluiceError('PLUGIN_VERSION', `${name}${typeof version === 'string' ? ` ${version}` : ''} was made for sluice ${wanted}; this is sluice ${own}. Install a version of ${name} that fits, or the sluice that it wants.`)
}

function jsonAt(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readTextNow(path) ?? '{}')
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {} // An object.
  } catch (error) {
    throw new SluiceError('PLUGIN_LOAD', `${path} can't be read: ${reasonOf(error)}`, { cause: error })
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}

/** Where in the plug-in it went wrong, as far as the error tells. */
function placeIn(path: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const url = pathToFileURL(path).href
  for (const line of stack.split('\n')) {
    const at = line.indexOf(url) >= 0 ? line.indexOf(url) + url.length : line.indexOf(path) >= 0 ? line.indexOf(path) + path.length : -1
    const place = at < 0 ? undefined : /^(?:\?text=\w+)?(:\d+(?::\d+)?)/.exec(line.slice(at))?.[1]
    if (place !== undefined) return ` (${path}${place})`
  }
  return ''
}
