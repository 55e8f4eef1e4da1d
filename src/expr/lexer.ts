/**
 * Cuts an expression into tokens. Grammar: the CEL language definition, section "Syntax".
 */
import { ExprError } from './error.ts'

export type TokenKind = 'ident' | 'quoted' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'op' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** The operator, the name, or the number as written; for strings nothing. */
  readonly text: string
  readonly value: string | Uint8Array | undefined
  readonly start: number
  readonly end: number
}

const SPACE = /[ \t\r\n\f]+|\/\/[^\n]*/y
const NAME = /[_a-zA-Z][_a-zA-Z0-9]*/y
const QUOTED_NAME = /`([a-zA-Z0-9_.\-/ ]+)`/y
const NUMBER = /0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]?/y
const STRING_START = /(?:[bB][rR]?|[rR][bB]?)?(?:"""|'''|"|')/y
const OPERATOR = /==|!=|<=|>=|&&|\|\||\.\?|\[\?|[()[\]{}.,:?!+\-*/%<>]/y

/** The tokens, `end` last. Throws EXPR_SYNTAX with the place. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  for (let at = behindSpace(source, 0); at < source.length; at = behindSpace(source, at)) {
    const token = tokenAt(source, at)
    tokens.push(token)
    at = token.end
  }
  tokens.push({ kind: 'end', text: '', value: undefined, start: source.length, end: source.length })
  return tokens
}

/**
 * Where an expression ends that stands in braces inside of a longer text: the place of the first closing brace that the expression itself did not open. Braces in its
 * texts, its quoted names and its comments do not count. `from` is the place behind the opening brace. Undefined where there is no such brace. Throws EXPR_SYNTAX where
 * something before it is no token.
 */
export function endOfExpression(text: string, from: number): number | undefined {
  let depth = 0
  for (let at = behindSpace(text, from); at < text.length; at = behindSpace(text, at)) {
    const token = tokenAt(text, at)
    if (token.kind === 'op' && token.text === '{') depth++
    else if (token.kind === 'op' && token.text === '}' && depth-- === 0) return at
    at = token.end
  }
  return undefined
}

function behindSpace(source: string, from: number): number {
  let at = from
  for (let space = matchAt(SPACE, source, at); space !== null; space = matchAt(SPACE, source, at)) at += space[0].length
  return at
}

function matchAt(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(source)
}

/** The token that starts at a place where no space is. */
function tokenAt(source: string, at: number): Token {
  const token =
    stringToken(source, at, matchAt(STRING_START, source, at)) ??
    nameToken(at, matchAt(NAME, source, at), matchAt(QUOTED_NAME, source, at)) ??
    numberToken(source, at, matchAt(NUMBER, source, at)) ??
    operatorToken(at, matchAt(OPERATOR, source, at))
  if (token === undefined) throw new ExprError('EXPR_SYNTAX', `Unexpected character ${JSON.stringify(String.fromCodePoint(source.codePointAt(at) ?? 0))}.`, at)
  return token
}

function nameToken(at: number, name: RegExpExecArray | null, quoted: RegExpExecArray | null): Token | undefined {
  if (name !== null) return { kind: 'ident', text: name[0], value: undefined, start: at, end: at + name[0].length }
  if (quoted !== null) return { kind: 'quoted', text: quoted[1] ?? '', value: undefined, start: at, end: at + quoted[0].length }
  return undefined
}

function numberToken(source: string, at: number, match: RegExpExecArray | null): Token | undefined {
  if (match === null) return undefined
  const [text] = match
  const end = at + text.length
  if (/[_a-zA-Z0-9]/.test(source[end] ?? '')) throw new ExprError('EXPR_SYNTAX', `A number ends in letters: ${text}${source[end] ?? ''}`, at, text.length + 1)
  const hex = /^0x/i.test(text)
  const unsigned = /u$/i.test(text)
  const fraction = !hex && /[.e]/i.test(text)
  if (fraction && unsigned) throw new ExprError('EXPR_SYNTAX', 'A fraction cannot be unsigned.', at, text.length)
  return { kind: unsigned ? 'uint' : fraction ? 'double' : 'int', text: unsigned ? text.slice(0, -1) : text, value: undefined, start: at, end }
}

function operatorToken(at: number, match: RegExpExecArray | null): Token | undefined {
  return match === null ? undefined : { kind: 'op', text: match[0], value: undefined, start: at, end: at + match[0].length }
}

function stringToken(source: string, at: number, match: RegExpExecArray | null): Token | undefined {
  if (match === null) return undefined
  const [opening] = match
  const quote = opening.replace(/^[bBrR]+/, '')
  const prefix = opening.slice(0, opening.length - quote.length).toLowerCase()
  const raw = prefix.includes('r')
  let end = at + opening.length
  for (;;) {
    if (end >= source.length) throw new ExprError('EXPR_SYNTAX', 'A string is not closed.', at, source.length - at)
    if (source.startsWith(quote, end)) break
    if (quote.length === 1 && /[\r\n]/.test(source[end] ?? '')) throw new ExprError('EXPR_SYNTAX', 'A string ends with its line; use three quotes for more lines.', at, end - at)
    end += source[end] === '\\' && !raw ? 2 : 1
  }
  const body = source.slice(at + opening.length, end)
  const value = prefix.includes('b') ? bytesOf(body, raw, at) : raw ? body : unescape(body, at)
  return { kind: prefix.includes('b') ? 'bytes' : 'string', text: '', value, start: at, end: end + quote.length }
}

const ESCAPE = /\\(?:([abfnrtv\\?"'`])|x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]?))/g
const SIMPLE: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unescape(body: string, at: number): string {
  return body.replace(ESCAPE, (_all, simple?: string, x?: string, bigX?: string, u?: string, bigU?: string, octal?: string, wrong?: string) => {
    if (simple !== undefined) return SIMPLE[simple] ?? simple
    const digits = x ?? bigX ?? u ?? bigU
    if (digits === undefined && octal === undefined) throw new ExprError('EXPR_SYNTAX', `Unknown escape \\${wrong ?? ''} in a string.`, at, body.length)
    const code = octal === undefined ? parseInt(digits ?? '', 16) : parseInt(octal, 8)
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new ExprError('EXPR_SYNTAX', 'An escape in a string names no character.', at, body.length)
    return String.fromCodePoint(code)
  })
}

/** Bytes literals: \x and octal escapes are bytes, everything else is UTF-8. */
function bytesOf(body: string, raw: boolean, at: number): Uint8Array {
  if (raw) return new TextEncoder().encode(body)
  const parts: Uint8Array[] = []
  let last = 0
  for (const match of body.matchAll(ESCAPE)) {
    parts.push(new TextEncoder().encode(body.slice(last, match.index)))
    const [all, , x, bigX, , , octal] = match
    const code = x ?? bigX
    if (code !== undefined) parts.push(Uint8Array.of(parseInt(code, 16)))
    else if (octal !== undefined) parts.push(Uint8Array.of(parseInt(octal, 8)))
    else parts.push(new TextEncoder().encode(unescape(all, at)))
    last = match.index + all.length
  }
  parts.push(new TextEncoder().encode(body.slice(last)))
  return new Uint8Array(Buffer.concat(parts))
}
