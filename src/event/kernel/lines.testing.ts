/** Lines for the tests of the scanners: real-looking ones, awkward ones, and random damage. Seeded, so that a failure can be run again. */

/** Rounds of the fuzz tests; more with SLUICE_FUZZ_ROUNDS. */
export const ROUNDS = Number(process.env['SLUICE_FUZZ_ROUNDS'] ?? 60)

export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** A whole number from 0 to `sides - 1`. */
  roll(sides: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) | 0
    return Math.floor(((this.#state >>> 8) / 2 ** 24) * sides)
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.roll(items.length)] ?? items[0]
  }
}

export const PATHS = [
  ['type'], ['temperature'], ['id'], ['ts'], ['device', 'id'], ['humidity'], ['email'], ['loc', 'site'], ['device'], ['loc'], ['owner'], ['a key of length 20'], ['loc', 'name'], ['é'], [''],
] as const

const NUMBERS = [
  '0', '-0', '-0.0', '1', '-1', '12.5', '1e5', '1E+5', '0.5e-3', '123456789012345678', '9007199254740993', '1e400', '-1e400', '1e-400', '0.1234567890123456789', '5e-324',
  '1.7976931348623157e308', '100000000000000000000000', '0.000001', '1234567.125', '99.99', '999999999999.5', '1e22', '1e23', '12345678901234567890123', '0e0', '3.14159',
] as const
const BROKEN_NUMBERS = ['01', '1.', '.5', '-', '+1', '1e', '1e+', '0x1', '-a', '1.e5', 'NaN', 'Infinity', '--1', '1.2.3', '00', '-01', '1_0', '1e5.5'] as const
const STRINGS = [
  '""', '"ok"', '"dev-00001"', '"ana.17@example.com"', '"caf\u00e9"', '"\u{1f600}x"', '"a\\"b"', '"\\\\"', '"\\u00e9"', '"\\ud83d\\ude00"', '"tab\\t"', '"{\\"a\\":1}"', '"sensor"', '"web"', '"[1,2"', '"a:b,c"',
] as const
const OTHERS = ['null', 'true', 'false', '[]', '{}', '[1,2,3]', '[{"id":1},[],"x"]', '{"id":"inner"}', '{"x":{"y":[{"z":{}}]}}', '[ ]', '{ }', '{"id":1,"site":2}', '[[[[[]]]]]'] as const
const KEYS = ['type', 'temperature', 'id', 'ts', 'humidity', 'email', 'owner', 'other', 'typ', 'types', 'a key of length 20', 'a key of length 2X', 'é', '', 'x'] as const
const SPACES = ['', '', '', '', ' ', '\t', '  ', '\r'] as const

/** A line that is mostly like those before it, as a program would write them. */
function usual(dice: Dice): string {
  const temperature = (dice.roll(8000) - 2000) / 100
  const place = `{"site":"s-${dice.roll(30)}","lat":${(dice.roll(18000) - 9000) / 100},"name":${dice.pick(STRINGS)}}`
  const device = dice.roll(20) === 0 ? 'null' : `{"id":"dev-${dice.roll(50)}","model":"TX"}`
  const detail = dice.roll(4) === 0 ? `"status":${dice.roll(600)},"ok":${dice.roll(2) === 0}` : `"temperature":${temperature},"humidity":${dice.roll(1000) / 10}`
  return `{"id":"e-${dice.roll(100000)}","ts":${1760000000000 + dice.roll(1e7)},"type":"${dice.roll(4) === 0 ? 'web' : 'sensor'}","device":${device},"loc":${place},${detail},"email":"ana.${dice.roll(99)}@example.com"}`
}

/** A line of random fields in random order, with white space and repeated keys. */
function random(dice: Dice): string {
  const space = (): string => dice.pick(SPACES)
  const value = (depth: number): string => {
    const kind = dice.roll(10)
    if (kind < 3) return dice.pick(NUMBERS)
    if (kind < 6) return dice.pick(STRINGS)
    if (kind < 8 || depth > 3) return dice.pick(OTHERS)
    return object(depth + 1)
  }
  const object = (depth: number): string => {
    const members = Array.from({ length: dice.roll(6) }, () => {
      const inner = dice.roll(5)
      const key = inner === 0 ? 'device' : inner === 1 ? 'loc' : dice.pick(KEYS)
      const written = dice.roll(40) === 0 ? JSON.stringify(key).replace(/[a-z]/, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`) : JSON.stringify(key)
      return `${space()}${written}${space()}:${space()}${inner < 2 && dice.roll(3) > 0 ? object(depth + 1) : value(depth)}${space()}`
    })
    return `{${members.length === 0 ? space() : members.join(',')}}`
  }
  return `${space()}${object(0)}${space()}`
}

const AWKWARD = [
  '{"device":{"id":"a"},"device":5}', '{"device":{"id":"a"},"device":{}}', '{"\\u0069d":"z","ts":1}', '{"id":1,"id":2,"loc":{"site":3,"site":4}}', '{"id":1,"id":"2"}', '{"id":null,"id":null}',
  '{}', ' { } ', '[1]', '5', '"x"', 'null', '', '   ', '\t', '\r', '{"a":[]}', '{"id":[]}', '{"loc":[]}', '{"a":[1,2,{"b":[{}]}],"temperature":1e5}', '{"type":null,"device":[{"id":"no"}],"id":true}',
  ' { "id" : "a" , "device" : { "id" : "b" } } ', '{"x":{"device":{"id":"inner"}},"id":"\\\\"}', `{"a":"${'\\\\'.repeat(70)}"}`, `{"a":"${'x'.repeat(61)}\\"y"}`, `{"id":"${'y'.repeat(300)}"}`,
  `{"a":${'['.repeat(62)}${']'.repeat(62)}}`, `{"a":${'['.repeat(63)}${']'.repeat(63)}}`, `{"a":${'{"a":'.repeat(70)}1${'}'.repeat(70)},"id":1}`, `${'['.repeat(100)}`,
  '{"id":"a"}\r', '{"id":"a\r"}', '{"id":\t"a"}', '{"id":"a\tb"}', '{"id":"a"}{"id":"b"}', '{"id":"a"},', '{"id":"a"', '{"id":"a}', '{"id:"a"}', '{"id" "a"}', '{"id":}', '{,}', '{"id":1,}', '{"a":[1,]}',
  '{"a":[,1]}', '{id:1}', "{'id':1}", '{"id":tru}', '{"id":nulll}', '{"id":truefalse}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"\\u12G4"}', '{"a":"\\', '{"a":"\\"', '{"a":1]', '{"a":[1}}', '{"a":{"b":1]}',
  '\u00a0{"id":1}', '\ufeff{"id":1}', '{"id":1}\f', '{"\u0000":1}', '{"id":"\u007f"}', '{"":{"":1}}', '{"loc":{"\\u0073ite":1}}', '{"x":{"\\u0073ite":1},"id":2}',
] as const

const DAMAGE = ['"', '\\', '{', '}', '[', ']', ',', ':', '0', '1', '-', '.', 'e', ' ', '\t', 'n', 't', '\\u12', '\u0001', '\r', '"a":1,', 'null', '\u00e9', '\n', '\u2028'] as const

/** One line, without newline unless damage put one in. */
export function line(dice: Dice): string {
  const kind = dice.roll(20)
  let text = kind < 9 ? usual(dice) : kind < 16 ? random(dice) : kind < 18 ? dice.pick(AWKWARD) : `{"temperature":${dice.pick([...NUMBERS, ...BROKEN_NUMBERS] as [string, ...string[]])},"id":${dice.pick(STRINGS)}}`
  for (let hits = dice.roll(4) === 0 ? dice.roll(3) : 0; hits > 0; hits--) text = damaged(dice, text)
  return text
}

function damaged(dice: Dice, text: string): string {
  const at = dice.roll(text.length + 1)
  const what = dice.roll(3)
  return what === 0 ? text.slice(0, at) + text.slice(at + 1 + dice.roll(3)) : text.slice(0, at) + dice.pick(DAMAGE) + text.slice(at + (what === 1 ? 0 : 1))
}

/** Lines of a few shapes that come again and again, with other values and with damage: what the kernel's learnt shapes must not be fooled by. */
export function alikeSlab(dice: Dice, lines: number): Buffer {
  const models = Array.from({ length: 1 + dice.roll(4) }, () => (dice.roll(3) === 0 ? usual(dice) : random(dice)))
  const text = Array.from({ length: lines }, () => {
    const model = models[dice.roll(models.length)] ?? ''
    const other = model.replaceAll(/(?<=[:,[])-?\d[\d.eE+-]*/g, (value) => (dice.roll(3) === 0 ? value : dice.pick(dice.roll(8) === 0 ? BROKEN_NUMBERS : NUMBERS)))
    const changed = other.replaceAll(/(?<=:)"[^"\\]*"/g, (value) => (dice.roll(3) === 0 ? value : dice.pick(dice.roll(4) === 0 ? OTHERS : STRINGS)))
    return dice.roll(4) === 0 ? damaged(dice, changed) : changed
  }).join('\n')
  return Buffer.from(text)
}

/** A slab of so many lines; some bytes may not be UTF-8, some line ends may be CRLF, and the last line may have none. */
export function slab(dice: Dice, lines: number): Buffer {
  const end = dice.roll(4) === 0 ? '\r\n' : '\n'
  const text = Array.from({ length: lines }, () => line(dice)).join(end) + (dice.roll(3) === 0 ? '' : end)
  const bytes = Buffer.from(text)
  if (dice.roll(5) === 0) for (let hits = 1 + dice.roll(5); hits > 0; hits--) bytes[dice.roll(bytes.length)] = 128 + dice.roll(128)
  return bytes
}
