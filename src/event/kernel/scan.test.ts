import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import type { Columns } from './index.ts'
import { ARRAY, BAD, createScanner, ESCAPED, FALSE, INEXACT, MISSING, NULL, NUMBER, OBJECT, OK, SLOW, STRING, TRUE } from './index.ts'
import { alikeSlab, Dice, line, PATHS, ROUNDS, slab } from './lines.testing.ts'

const ENGINES = ['wasm', 'js'] as const

function scanText(columns: Columns, text: string | Uint8Array): number {
  const bytes = Buffer.from(text)
  columns.input.set(bytes)
  return columns.scan(bytes.length)
}

/** What JSON.parse makes of a line; undefined where it is no object. */
function parsed(bytes: Uint8Array): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined), value)
}

/** The kind that a value must have; numbers and strings have two each. */
function isKindOf(kind: number | undefined, value: unknown): boolean {
  if (value === undefined) return kind === MISSING
  if (value === null) return kind === NULL
  if (typeof value === 'boolean') return kind === (value ? TRUE : FALSE)
  if (typeof value === 'number') return kind === NUMBER || kind === INEXACT
  if (typeof value === 'string') return kind === STRING || kind === ESCAPED
  return kind === (Array.isArray(value) ? ARRAY : OBJECT)
}

/** Compares all rows of a scan with JSON.parse of each line; answers how many rows were OK. */
function compare(columns: Columns, bytes: Uint8Array, rows: number): number {
  let good = 0
  for (let row = 0; row < rows; row++) {
    const text = bytes.subarray(columns.lineStart[row], columns.lineEnd[row])
    const expected = parsed(text)
    const status = columns.status[row]
    const shown = JSON.stringify(Buffer.from(text).toString())
    if (status === OK) good++
    else columns.paths.forEach((_, field) => assert.equal(columns.field(field).kind[row], MISSING))
    if (status === SLOW) {
      assert.ok(isUtf8(text))
      continue
    }
    assert.equal(status === OK, expected !== undefined, `status ${status} of ${shown}`)
    if (expected === undefined) continue
    columns.paths.forEach((path, field) => {
      const value = valueAt(expected, path)
      const { kind, number } = columns.field(field)
      assert.ok(isKindOf(kind[row], value), `kind ${kind[row]} of ${path} in ${shown}`)
      assert.deepEqual(columns.value(field, row), value, `${path} in ${shown}`)
      assert.deepEqual(kind[row] === MISSING ? undefined : JSON.parse(columns.text(field, row)), value, `text of ${path} in ${shown}`)
      if (typeof value === 'number') assert.ok(Object.is(number[row], value), `${path} in ${shown}: ${number[row]}`)
      assert.equal(kind[row] === ESCAPED, typeof value === 'string' && columns.text(field, row).includes('\\'), `escapes of ${path} in ${shown}`)
    })
  }
  return good
}

/** Lines that are not blank, as `lineStart` and `lineEnd` should show them. */
function linesOf(bytes: Buffer): string[] {
  return bytes.toString('latin1').split('\n').filter((text) => /[^ \t\r]/.test(text)).map((text) => text.replace(/\r$/, ''))
}

for (const engine of ENGINES) {
  test(`${engine}: each wanted field has its place, kind and number`, () => {
    const columns = createScanner([['a'], ['b', 'c'], ['d']], { engine })
    assert.equal(scanText(columns, '{"a":1.5,"b":{"c":"x"},"d":null}\n{"d":[1],"b":{"x":1}}\n'), 2)
    assert.deepEqual([0, 1, 2].map((field) => columns.field(field).kind[0]), [NUMBER, STRING, NULL])
    assert.deepEqual([0, 1, 2].map((field) => columns.field(field).kind[1]), [MISSING, MISSING, ARRAY])
    assert.deepEqual([0, 1, 2].map((field) => columns.text(field, 0)), ['1.5', '"x"', 'null'])
    assert.equal(columns.field(0).number[0], 1.5)
    assert.equal(columns.line(1), '{"d":[1],"b":{"x":1}}')
    assert.equal(columns.consumed, 55)
  })

  test(`${engine}: minus zero stays minus zero, and every other number is what JSON.parse yields`, () => {
    const columns = createScanner([['n']], { engine })
    for (const text of ['-0', '-0.0', '0', '1e400', '123456789012345678901', '0.1', '1e-7', '9007199254740993']) {
      scanText(columns, `{"n":${text}}`)
      assert.ok(Object.is(columns.field(0).number[0], JSON.parse(text)), text)
    }
  })

  test(`${engine}: blank lines are passed over and counted`, () => {
    const columns = createScanner([['a']], { engine })
    assert.equal(scanText(columns, '\n{"a":1}\n  \n\r\n\t\n{"a":2}'), 2)
    assert.equal(columns.skipped, 4)
    assert.equal(columns.value(0, 1), 2)
  })

  test(`${engine}: carriage return and newline end a line like a newline`, () => {
    const columns = createScanner([['a']], { engine })
    assert.equal(scanText(columns, '{"a":1}\r\n{"a":2}\r\n'), 2)
    assert.deepEqual([columns.line(0), columns.line(1)], ['{"a":1}', '{"a":2}'])
    assert.deepEqual([...columns.status.subarray(0, 2)], [OK, OK])
  })

  test(`${engine}: a repeated wanted key, a repeated object on its path, an escaped key and a deep line need JSON.parse`, () => {
    const columns = createScanner([['a'], ['b', 'c']], { engine })
    const slow = ['{"a":1,"a":"x"}', '{"b":{"c":1},"b":2}', '{"\\u0061":1}', '{"b":{"\\u0063":1}}', `{"x":${'['.repeat(64)}${']'.repeat(64)}}`]
    const fine = ['{"x":1,"x":2}', '{"x":{"\\u0061":1}}', `{"x":${'['.repeat(62)}${']'.repeat(62)}}`]
    for (const text of slow) assert.deepEqual([scanText(columns, text), columns.status[0]], [1, SLOW], text)
    for (const text of fine) assert.deepEqual([scanText(columns, text), columns.status[0]], [1, OK], text)
  })

  test(`${engine}: a line that is not UTF-8 is bad, the lines around it are not`, () => {
    const columns = createScanner([['a']], { engine })
    scanText(columns, Buffer.from('{"a":"x"}\n{"a":"\xff"}\n{"a":"y"}\n', 'latin1'))
    assert.deepEqual([...columns.status.subarray(0, 3)], [OK, BAD, OK])
    assert.equal(columns.problem(1), 'The line is not UTF-8.')
    assert.equal(columns.field(0).kind[1], MISSING)
  })

  test(`${engine}: a bad line is told from an object`, () => {
    const columns = createScanner([['a']], { engine })
    scanText(columns, '[1]\n{"a":\n{"a":1}')
    assert.deepEqual([...columns.status.subarray(0, 3)], [BAD, BAD, OK])
    assert.equal(columns.problem(0), 'The line is JSON, but not an object.')
    assert.match(columns.problem(1), /^The line is not JSON: /)
  })

  test(`${engine}: rows beyond the limit wait for the next call`, () => {
    const columns = createScanner([['a']], { engine, rowsMax: 3 })
    assert.equal(scanText(columns, Array.from({ length: 8 }, (_, index) => `{"a":${index}}\n`).join('')), 3)
    assert.equal(columns.consumed, 24)
    assert.equal(columns.resume(), 3)
    assert.equal(columns.value(0, 0), 3)
    assert.equal(columns.resume(), 2)
    assert.equal(columns.value(0, 1), 7)
    assert.equal(columns.resume(), 0)
    assert.equal(columns.consumed, 64)
  })

  test(`${engine}: a full slab without a line end is read to its last byte`, () => {
    for (const length of [64, 100, 128, 1024]) {
      const columns = createScanner([['a']], { engine, slabBytes: length })
      const text = `{"a":"${'x'.repeat(length - 8)}"}`
      assert.deepEqual([scanText(columns, text), columns.status[0], columns.text(0, 0).length], [1, OK, length - 6])
    }
    for (const length of [64, 128, 4096]) {
      const columns = createScanner([['a']], { engine, slabBytes: length })
      assert.deepEqual([scanText(columns, `{"a":"${'x'.repeat(length - 6)}`), columns.status[0], columns.lineEnd[0]], [1, BAD, length])
    }
    const columns = createScanner([['a']], { engine, slabBytes: 64 })
    assert.throws(() => columns.scan(65), /does not fit/)
    assert.equal(columns.scan(0), 0)
  })

  test(`${engine}: a slab leaves no trace in the next one`, () => {
    const columns = createScanner([['a'], ['b']], { engine })
    scanText(columns, '{"a":1,"b":2}\n{"a":"\\u0061","b":2}\n')
    scanText(columns, '{"b":3}\n{"c":"')
    assert.deepEqual([columns.value(0, 0), columns.value(1, 0), columns.status[1]], [undefined, 3, BAD])
  })

  test(`${engine}: any line gives what JSON.parse gives, or is left to it`, () => {
    const dice = new Dice(7)
    const columns = createScanner(PATHS, { engine, rowsMax: 61 })
    let good = 0
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = slab(dice, 1 + dice.roll(80))
      const expected = linesOf(bytes)
      let found = 0
      columns.input.set(bytes)
      for (let rows = columns.scan(bytes.length); rows > 0; rows = columns.resume()) {
        for (let row = 0; row < rows; row++) assert.equal(bytes.toString('latin1', columns.lineStart[row], columns.lineEnd[row]), expected[found++])
        good += compare(columns, bytes, rows)
      }
      assert.equal(found, expected.length)
      assert.equal(columns.consumed, bytes.length)
    }
    assert.ok(good > ROUNDS * 5)
  })

  test(`${engine}: lines of the same shape give what JSON.parse gives, whatever their values and their damage`, () => {
    const dice = new Dice(23)
    let good = 0
    for (let round = 0; round < ROUNDS; round++) {
      const columns = createScanner(PATHS, { engine, slabBytes: 1 << 19, rowsMax: 256, roomBytes: 1 << 16 })
      for (let part = 0; part < 3; part++) {
        const bytes = alikeSlab(dice, 60)
        columns.input.set(bytes)
        good += compare(columns, bytes, columns.scan(bytes.length))
      }
    }
    assert.ok(good > ROUNDS * 20)
  })

  test(`${engine}: a line cut or changed at any byte gives what JSON.parse gives`, () => {
    const dice = new Dice(3)
    const columns = createScanner(PATHS, { engine })
    for (let round = 0; round < Math.ceil(ROUNDS / 30); round++) {
      const good = Buffer.from(line(dice)).subarray(0, 500)
      const cut = Array.from({ length: good.length }, (_, at) => good.subarray(0, at))
      const changed = Array.from({ length: good.length }, (_, at) => Buffer.concat([good.subarray(0, at), Buffer.from([dice.roll(256)]), good.subarray(at + 1)]))
      const bytes = Buffer.from([...cut, ...changed].map((text) => `${text.toString('latin1')}\n`).join(''), 'latin1')
      columns.input.set(bytes)
      compare(columns, bytes, columns.scan(bytes.length))
    }
  })
}

test('lines that change their shapes all the time, then not any more, then to others for good, are read right', () => {
  const columns = createScanner([['a'], ['o', 'b']], { slabBytes: 1 << 16, rowsMax: 512, roomBytes: 1 << 16 })
  const phases = [(n: number) => `k${n}`, () => 'x', () => 'yy']
  for (const keyOf of phases) {
    for (let first = 0; first < 20000; first += 400) {
      const rows = Array.from({ length: 400 }, (_, index) => first + index)
      assert.equal(scanText(columns, rows.map((n) => `{"${keyOf(n)}":[${n}],"a":${n / 4},"o":{"b":"${n}"}}\n`).join('')), 400)
      for (const row of [0, 17, 399]) assert.deepEqual([columns.status[row], columns.value(0, row), columns.value(1, row)], [OK, (first + row) / 4, String(first + row)])
    }
  }
})

test('objects that are wanted themselves are found, however many begin or end at one place', () => {
  const path = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const columns = createScanner(path.map((_, depth) => path.slice(0, depth + 1)))
  for (const depth of [1, 2, 3, 4, 5, 6, 7]) {
    const inner = path.slice(0, depth).reduceRight((value, key) => `{"${key}":${value}}`, '[7]')
    assert.equal(scanText(columns, `${inner}\n`.repeat(3)), 3)
    for (const row of [0, 1, 2]) path.forEach((_, field) => assert.deepEqual(columns.value(field, row), valueAt(JSON.parse(inner), path.slice(0, field + 1))))
  }
})

test('more shapes than are remembered do no harm', () => {
  const columns = createScanner([['k1'], ['k9']])
  const dice = new Dice(1)
  for (let round = 0; round < 4; round++) {
    const lines = Array.from({ length: 900 }, () => `{${Array.from({ length: 40 }, (_, key) => `"k${key}":${dice.roll(99)}`).filter(() => dice.roll(2) === 0).join(',')}}`)
    assert.equal(scanText(columns, lines.join('\n')), lines.length)
    lines.forEach((text, row) => {
      assert.equal(columns.line(row), text)
      assert.deepEqual([columns.value(0, row), columns.value(1, row)], ['k1', 'k9'].map((key) => valueAt(JSON.parse(text), [key])))
    })
  }
})

test('both engines agree on every row, but for lines that one of them leaves to JSON.parse', () => {
  const dice = new Dice(11)
  const [kernel, twin] = ENGINES.map((engine) => createScanner(PATHS, { engine })) as [Columns, Columns] // Two engines.
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = slab(dice, 60)
    const rows = scanText(kernel, bytes)
    assert.equal(scanText(twin, bytes), rows)
    assert.deepEqual([kernel.skipped, kernel.consumed], [twin.skipped, twin.consumed])
    for (let row = 0; row < rows; row++) {
      const statuses = [kernel.status[row], twin.status[row]]
      if (statuses.includes(SLOW) && statuses.includes(BAD)) continue
      assert.equal(kernel.status[row], twin.status[row], kernel.line(row))
      PATHS.forEach((_, index) => {
        const [one, other] = [kernel.field(index), twin.field(index)]
        assert.equal(one.kind[row], other.kind[row], kernel.line(row))
        if (one.kind[row] !== MISSING) assert.deepEqual([one.start[row], one.end[row]], [other.start[row], other.end[row]])
      })
    }
  }
})

test('paths that can not be columns are refused', () => {
  for (const engine of ENGINES) {
    assert.throws(() => createScanner([[]], { engine }), /can't be a column/)
    assert.throws(() => createScanner([['a'], ['a']], { engine }), /twice/)
    assert.throws(() => createScanner(Array.from({ length: 300 }, (_, index) => [`f${index}`]), { engine }), /256 is the most/)
  }
})
