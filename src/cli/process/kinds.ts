/**
 * What the settings of `sluice process` take. Each comes as text: from a flag, from the environment, or from the values of a YAML file.
 *
 * A kind reads what was given, or answers undefined where that is not what it takes; `wanted` says in words what that would be.
 */
import { parseDuration, parseSize } from '../../base/index.ts'

/** As it was given: one text, several, or texts by name. */
export type Given = string | readonly string[] | Readonly<Record<string, string>>

export interface Kind<T> {
  /** How the help shows the value; undefined for a flag that stands alone. */
  readonly argument: string | undefined
  /** May be given several times. */
  readonly repeats: boolean
  readonly wanted: string
  readonly choices?: readonly string[]
  read(given: Given): T | undefined
}

/** The one text of what was given. */
function one(given: Given): string | undefined {
  return typeof given === 'string' && given.trim() !== '' ? given : undefined
}

export const text = (argument: string, wanted = 'a text'): Kind<string> => ({ argument, repeats: false, wanted, read: one })

export const number = (least: number, most: number): Kind<number> => ({
  argument: '<n>', repeats: false, wanted: `a whole number from ${least} to ${most}`,
  read(given) {
    const value = /^\d+$/.test(one(given) ?? '') ? Number(given) : NaN
    return value >= least && value <= most ? value : undefined
  },
})

/** Stays as it was written: a pipeline reads it in the same way. */
export const duration: Kind<string> = {
  argument: '<duration>', repeats: false, wanted: 'a duration such as 500ms, 60s or 1h30m',
  read: given => ((parseDuration(one(given) ?? '') ?? 0) > 0 ? one(given) : undefined),
}

export const size: Kind<string> = {
  argument: '<size>', repeats: false, wanted: 'a size such as 4096, 64KiB or 1GiB',
  read: given => ((parseSize(one(given) ?? '') ?? 0) > 0 ? one(given) : undefined),
}

export function choice<const C extends string>(choices: readonly C[]): Kind<C> {
  return { argument: `<${choices.length > 4 ? 'name' : choices.join('|')}>`, repeats: false, wanted: `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`, choices, read: given => choices.find(each => each === given) }
}

export const workers: Kind<number | 'auto'> = {
  argument: '<n>', repeats: false, wanted: 'a whole number from 0 to 256, or auto',
  read: given => (given === 'auto' ? given : number(0, 256).read(given)),
}

export const yes: Kind<boolean> = {
  argument: undefined, repeats: false, wanted: 'true or false',
  read: given => (given === 'true' || given === '1' ? true : given === 'false' || given === '0' ? false : undefined),
}

/** Several texts; one text may hold several, with commas or line ends between them. */
export const list = (argument: string, wanted: string, between = /[,\n]/): Kind<readonly string[]> => ({
  argument, repeats: true, wanted,
  read(given) {
    if (typeof given === 'object' && !isList(given)) return undefined
    const all = (isList(given) ? given : [given]).flatMap(each => each.split(between)).map(each => each.trim()).filter(each => each !== '')
    return all.length > 0 ? all : undefined
  },
})

/** Texts by name, `name=text`; one text may hold several, a line each. */
export const named = (argument: string, wanted: string, sign = '='): Kind<Readonly<Record<string, string>>> => ({
  argument, repeats: true, wanted,
  read(given) {
    if (typeof given === 'object' && !isList(given)) return Object.keys(given).length > 0 ? given : undefined
    const pairs = (isList(given) ? given : [given]).flatMap(each => each.split('\n')).filter(each => each.trim() !== '').map(each => {
      const at = each.indexOf(sign)
      return at <= 0 || each.slice(at + 1).trim() === '' ? undefined : [each.slice(0, at).trim(), each.slice(at + 1).trim()] as const
    })
    const whole = pairs.filter(pair => pair !== undefined)
    return whole.length === pairs.length && pairs.length > 0 ? Object.fromEntries(whole) : undefined
  },
})

export function isList(given: Given): given is readonly string[] {
  return Array.isArray(given)
}
