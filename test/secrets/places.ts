/** Every place of a config that holds a secret, from the declarations of all components, with a value that nothing may ever show. */
import type { Field, Registry } from '../../src/engine/index.ts'

type Config = Record<string, unknown>

/** A component with a config that connects to where nobody listens, without secrets. */
export interface Guarded {
  readonly kind: 'source' | 'stage' | 'sink'
  readonly type: string
  readonly config: Config
  /** Paths of the secret places. */
  readonly places: readonly (readonly string[])[]
  /** The same of addresses, in which somebody may write a password. */
  readonly addresses: readonly (readonly string[])[]
}

export function isSecret(field: Field<unknown>): boolean {
  return field['x-sluice'] === 'secret'
}

/** Paths of all fields marked secret; in a map of any names, the name is `authorization`. */
export function secretPaths(field: Field<unknown>, path: readonly string[] = [], above: readonly Field<unknown>[] = []): string[][] {
  if (isSecret(field)) return [[...path]]
  // A field may hold others of its own kind.
  if (above.includes(field)) return []
  const all = below(field, path, [...above, field])
  return all.filter((one, at) => all.findIndex(other => other.join('.') === one.join('.')) === at)
}

function below(field: Field<unknown>, path: readonly string[], above: readonly Field<unknown>[]): string[][] {
  const inner = Object.entries(field.properties ?? {}).flatMap(([name, of]) => secretPaths(of, [...path, name], above))
  const others = typeof field.additionalProperties === 'object' ? secretPaths(field.additionalProperties, [...path, 'authorization'], above) : []
  const either = (field.anyOf ?? []).flatMap(one => secretPaths(one, path, above))
  return [...inner, ...others, ...either]
}

export function put(config: Config, path: readonly string[], value: unknown): void {
  const [first = '', ...rest] = path
  if (rest.length === 0) return void (config[first] = value)
  const inner = config[first]
  const made = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? { ...inner } as Config : {} // A map of a config.
  config[first] = made
  put(made, rest, value)
}

/** What goes with a secret, so that the config is right and the connection is tried. */
const COMPANIONS: Readonly<Record<string, readonly (readonly [path: string, value: unknown])[]>> = {
  'sasl.password': [['sasl.mechanism', 'PLAIN'], ['sasl.username', 'u']],
  'sasl.token': [['sasl.mechanism', 'OAUTHBEARER']],
  'auth.password': [['auth.user', 'u']],
  'auth.key': [['auth.header', 'x-key']],
  'auth.oauth2.client_secret': [['auth.oauth2.client_id', 'u'], ['auth.oauth2.token_url', 'http://127.0.0.1:1/token']],
  'access_key': [['secret_key', 'other']],
  'secret_key': [['access_key', 'other']],
  'session_token': [['access_key', 'other'], ['secret_key', 'other']],
  'notify.sasl.password': [['notify.topic', 't'], ['notify.log', 'kafka://127.0.0.1:1'], ['notify.sasl.mechanism', 'PLAIN'], ['notify.sasl.username', 'u']],
  'notify.sasl.token': [['notify.topic', 't'], ['notify.log', 'kafka://127.0.0.1:1'], ['notify.sasl.mechanism', 'OAUTHBEARER']],
  'notify.secret': [['notify.url', 'http://127.0.0.1:1/told']],
  'nats password': [['user', 'u']],
  'mqtt password': [['username', 'u']],
}

/** The config with a value at one place, and what must go with it. */
export function withAt({ type, config }: Guarded, path: readonly string[], value: unknown): Config {
  const made = structuredClone(config)
  for (const [other, with_] of COMPANIONS[`${type} ${path.join('.')}`] ?? COMPANIONS[path.join('.')] ?? []) put(made, other.split('.'), with_)
  put(made, path, value)
  return made
}

const ADDRESSES = ['url', 'servers', 'endpoint', 'log']

/** All components that hold secrets, or addresses with passwords. `away` has configs that connect to where nobody listens. */
export function guarded(registry: Registry, away: Readonly<Record<string, Config>>): Guarded[] {
  return (['source', 'stage', 'sink'] as const).flatMap(kind => registry.all(kind).flatMap(({ type, config: field, examples }) => {
    const example = examples?.[0]?.config
    const config: Config = away[`${kind} ${type}`] ?? { ...(typeof example === 'object' && example !== null ? example as Config : {}), ...away[type] } // The config of an example is a map, where it is not short.
    const places = secretPaths(field)
    const addresses = ADDRESSES.filter(name => Object.hasOwn(field.properties ?? {}, name)).map(name => [name])
    if (typeof config['url'] === 'string') config['url'] = atNobody(config['url'])
    return places.length === 0 && addresses.length === 0 ? [] : [{ kind, type, config, places, addresses }]
  }))
}

/** The address on a port where nobody listens. */
function atNobody(url: string): string {
  const { protocol, pathname } = new URL(url.replaceAll(/[{}]/g, ''))
  return `${protocol}//127.0.0.1:1${pathname === '/' ? '' : pathname}`
}

/** The address with a login. */
export function withPassword(url: string, password: string): string {
  return url.replace('://', `://user:${password}@`)
}
