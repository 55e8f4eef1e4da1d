import assert from 'node:assert/strict'
import { test } from 'node:test'
import { removeRaw, renameRaw, setRaw } from '../json/edit.ts'
import type { Columns, Edit, EmitOp, Output } from './index.ts'
import { createScanner, MISSING, OBJECT, OK } from './index.ts'
import { alikeSlab, Dice, PATHS, ROUNDS, slab } from './lines.testing.ts'

const ENGINES = ['wasm', 'js'] as const

function scanText(columns: Columns, text: string): number {
  const bytes = Buffer.from(text)
  columns.input.set(bytes)
  return columns.scan(bytes.length)
}

/** Runs a program on the first rows and answers the lines that come out. */
function emitted(columns: Columns, ops: readonly EmitOp[], rows: number): string[] {
  const output = columns.newOutput(1 << 16)
  const selection = columns.newRows()
  for (let row = 0; row < rows; row++) selection[row] = row
  assert.equal(columns.emit(columns.compile(ops), selection, 0, rows, output), rows)
  return textOf(output).split('\n').slice(0, -1)
}

function textOf(output: Output): string {
  return Buffer.from(output.bytes.subarray(0, output.length)).toString()
}

/** Runs edits on one line. */
function edited(columns: Columns, text: string, edits: readonly Edit[]): string | undefined {
  return emitted(columns, [{ op: 'edit', edits }], scanText(columns, text))[0]
}

for (const engine of ENGINES) {
  test(`${engine}: lines are built from literals, fields and numbers`, () => {
    const columns = createScanner([['a'], ['b', 'c']], { engine })
    const rows = scanText(columns, '{"a":1.50,"b":{"c":"\\u00e9"}}\n{"b":{"c":[1, 2]},"a":null}\n')
    const values = columns.newNumbers()
    values.set([0.1 + 0.2, -0])
    const ops: EmitOp[] = [
      { op: 'literal', text: '{"é":' }, { op: 'raw', field: 1 }, { op: 'literal', text: ',"n":' }, { op: 'number', values }, { op: 'literal', text: ',"a":' }, { op: 'raw', field: 0 }, { op: 'literal', text: '}' },
    ]
    assert.deepEqual(emitted(columns, ops, rows), ['{"é":"\\u00e9","n":0.30000000000000004,"a":1.50}', '{"é":[1, 2],"n":0,"a":null}'])
    assert.deepEqual(emitted(columns, [{ op: 'line' }], rows), ['{"a":1.50,"b":{"c":"\\u00e9"}}', '{"b":{"c":[1, 2]},"a":null}'])
  })

  test(`${engine}: only the selected rows come out, in the order of the selection`, () => {
    const columns = createScanner([['a']], { engine })
    scanText(columns, '{"a":1}\n{"a":2}\n{"a":3}\n')
    const selection = columns.newRows()
    selection.set([2, 0])
    const output = columns.newOutput(100, true)
    assert.equal(columns.emit(columns.compile([{ op: 'raw', field: 0 }, { op: 'literal', text: 'x' }]), selection, 0, 2, output), 2)
    assert.equal(textOf(output), '3x\n1x\n')
    assert.deepEqual([output.rows, ...(output.ends?.subarray(0, 2) ?? [])], [2, 3, 6])
  })

  test(`${engine}: an output that is full takes whole rows only and is never written past its end`, () => {
    const columns = createScanner([['a']], { engine })
    const rows = scanText(columns, '{"a":"xxxxxxxx"}\n'.repeat(5))
    const program = columns.compile([{ op: 'edit', edits: [{ edit: 'set', field: 0, value: [{ op: 'mask', field: 0, fill: '*', each: true }] }] }])
    const selection = columns.newRows()
    for (let row = 0; row < rows; row++) selection[row] = row
    for (let room = 0; room < 100; room++) {
      const output = columns.newOutput(room)
      const fits = Math.min(5, Math.floor(room / 17))
      assert.equal(columns.emit(program, selection, 0, rows, output), fits)
      assert.equal(textOf(output), '{"a":"********"}\n'.repeat(fits))
    }
  })

  test(`${engine}: an output without row ends takes any number of rows, one with them takes as many as it has room for`, () => {
    const columns = createScanner([['a']], { engine, rowsMax: 4 })
    const rows = scanText(columns, '{"a":1}\n'.repeat(4))
    const program = columns.compile([{ op: 'raw', field: 0 }])
    const selection = columns.newRows().fill(0)
    const [plain, counted] = [columns.newOutput(100), columns.newOutput(100, true)]
    for (let round = 0; round < 3; round++) assert.equal(columns.emit(program, selection, 0, rows, plain), rows)
    assert.equal(plain.rows, 12)
    assert.equal(columns.emit(program, selection, 0, 3, counted), 3)
    assert.equal(columns.emit(program, selection, 0, rows, counted), 1)
    assert.equal(textOf(counted), '1\n1\n1\n1\n')
  })

  test(`${engine}: what lies behind an output is not touched, however long a row is`, () => {
    const columns = createScanner([['a']], { engine })
    scanText(columns, `{"a":"${'€'.repeat(2000)}"}`)
    const values = columns.newNumbers()
    values[0] = -1.25e-308
    const long: EmitOp = { op: 'literal', text: 'x'.repeat(5000) }
    const mask: EmitOp = { op: 'mask', field: 0, fill: 'yy', last: 700, each: true }
    const set: EmitOp = { op: 'edit', edits: [{ edit: 'set', field: 0, value: [mask, { op: 'number', values }, long] }] }
    for (const ops of [[{ op: 'number', values }, long], [mask, mask], [set], [long], [{ op: 'line' }]] as EmitOp[][]) {
      const program = columns.compile(ops)
      for (let room = 0; room < 70; room++) {
        const output = columns.newOutput(room)
        const behind = columns.newMask().fill(7)
        assert.equal(columns.emit(program, columns.newRows(), 0, 1, output), 0)
        assert.equal(output.length, 0)
        assert.ok(behind.every((byte) => byte === 7))
      }
    }
  })

  test(`${engine}: output goes on where it stopped`, () => {
    const columns = createScanner([['a']], { engine })
    const rows = scanText(columns, Array.from({ length: 9 }, (_, index) => `{"a":${index}}\n`).join(''))
    const program = columns.compile([{ op: 'raw', field: 0 }])
    const selection = columns.newRows()
    for (let row = 0; row < rows; row++) selection[row] = row
    const output = columns.newOutput(5, true)
    let all = ''
    for (let at = 0; at < rows; output.length = 0, output.rows = 0) {
      at = columns.emit(program, selection, at, rows, output)
      all += textOf(output)
    }
    assert.equal(all, '0\n1\n2\n3\n4\n5\n6\n7\n8\n')
  })

  test(`${engine}: a string is compared with a literal, escapes decoded`, () => {
    const columns = createScanner([['a']], { engine })
    const rows = scanText(columns, '{"a":"sensor"}\n{"a":"s\\u0065nsor"}\n{"a":"sensors"}\n{"a":1}\n{}\n{"a":"\\u0041"}')
    const mask = columns.newMask()
    columns.equals(0, 'sensor', rows, mask)
    assert.deepEqual([...mask.subarray(0, rows)], [1, 1, 0, 0, 0, 0])
    columns.equals(0, '', rows, mask)
    assert.deepEqual([...mask.subarray(0, rows)], [0, 0, 0, 0, 0, 0])
  })

  test(`${engine}: a dictionary finds its keys again, however many there are`, () => {
    const columns = createScanner([['a']], { engine })
    const dictionary = columns.newDictionary()
    const keyOf = (index: number): string => `${'long '.repeat(index % 7)}é${index}`
    for (let index = 0; index < 5000; index++) assert.equal(dictionary.add(keyOf(index), `{"n":${index}}`), index)
    assert.equal(dictionary.add(keyOf(17), '"other"'), 17)
    assert.equal(dictionary.size, 5000)
    assert.deepEqual([dictionary.get(keyOf(4999)), dictionary.get('none'), dictionary.get('')], [4999, -1, -1])
    const rows = scanText(columns, [keyOf(4999), keyOf(17), 'none'].map((key) => `{"a":"${key}"}\n`).join('') + '{"a":5}\n{"a":"\\u00e917"}\n{"a":"\\u00e92"}\n{"a":""}')
    const ids = columns.newRows()
    columns.lookup(0, dictionary, rows, ids)
    assert.deepEqual([...ids.subarray(0, rows)], [4999, 17, -1, -2, -1, -1, -1])
    assert.deepEqual(emitted(columns, [{ op: 'entry', ids, dictionary }], 2), ['{"n":4999}', '"other"'])
    dictionary.close()
  })

  test(`${engine}: tables can be loaded again and again in the same room`, () => {
    const columns = createScanner([['a']], { engine, roomBytes: 1 << 21 })
    for (let round = 0; round < 20; round++) {
      const dictionary = columns.newDictionary()
      for (let index = 0; index < 3000; index++) dictionary.add(`key-${index}`, `"value ${round}"`)
      assert.equal(dictionary.get('key-2999'), 2999)
      dictionary.close()
    }
  })

  test(`${engine}: a mask hides the middle of a string`, () => {
    const columns = createScanner([['a']], { engine })
    const masked = (text: string, rule: object): string | undefined => {
      scanText(columns, JSON.stringify({ a: text }))
      return emitted(columns, [{ op: 'mask', field: 0, fill: '***', ...rule }], 1)[0]
    }
    assert.equal(masked('ana@example.com', { first: 1, from: '@' }), '"a***@example.com"')
    assert.equal(masked('ana', { first: 1, from: '@' }), '"a***"')
    assert.equal(masked('@x', { first: 1, from: '@' }), '"@***"')
    assert.equal(masked('4111111111111111', { last: 4 }), '"***1111"')
    assert.equal(masked('4111111111111111', { last: 4, fill: '#', each: true }), '"############1111"')
    assert.equal(masked('1111', { last: 4 }), '"***"')
    assert.equal(masked('a', { first: 1, from: '@' }), '"***"')
    assert.equal(masked('secret', {}), '"***"')
    assert.equal(masked('', {}), '"***"')
    assert.equal(masked('é€😀x', { first: 2, last: 1 }), '"é€***x"')
    assert.equal(masked('é€😀x', { first: 1, each: true, fill: '•' }), '"é•••"')
    assert.equal(masked('abc', { first: 1, fill: '"\n' }), '"a\\"\\n"')
  })

  test(`${engine}: edits next to each other, in empty objects and in any order of the line`, () => {
    const columns = createScanner([['a'], ['b'], ['c'], ['o'], ['o', 'x'], ['o', 'y']], { engine })
    const remove = (field: number): Edit => ({ edit: 'remove', field })
    const set = (field: number, text: string): Edit => ({ edit: 'set', field, value: [{ op: 'literal', text }] })
    assert.equal(edited(columns, '{"a":1,"b":2,"c":3}', [remove(0), remove(1)]), '{"c":3}')
    assert.equal(edited(columns, '{"a":1,"b":2,"c":3}', [remove(2), remove(1)]), '{"a":1}')
    assert.equal(edited(columns, '{ "a" : 1 , "b" : 2 , "c" : 3 }', [remove(2), remove(1), remove(0)]), '{ }')
    assert.equal(edited(columns, '{"b":1}', [remove(1), set(0, '5'), set(2, '6')]), '{"a":5,"c":6}')
    assert.equal(edited(columns, ' {} ', [set(0, '5')]), ' {"a":5} ')
    assert.equal(edited(columns, '{"o":{},"a":1}', [set(4, '5'), set(5, '6')]), '{"o":{"x":5,"y":6},"a":1}')
    assert.equal(edited(columns, '{"o":{"y":1},"a":1}', [set(4, '5'), remove(5), remove(0)]), '{"o":{"x":5}}')
    assert.equal(edited(columns, '{"b":2,"x":0,"a":1}', [{ edit: 'rename', field: 0, key: 'b' }]), '{"x":0,"b":1}')
    assert.equal(edited(columns, '{"a":1,"b":2}', [{ edit: 'rename', field: 0, key: 'b' }, remove(2)]), '{"b":1}')
    assert.equal(edited(columns, '{"b":2}', [{ edit: 'rename', field: 0, key: 'b' }]), '{"b":2}')
  })

  test(`${engine}: rows that a program can't be run on are told apart`, () => {
    const columns = createScanner([['a'], ['o'], ['o', 'x']], { engine })
    const rows = scanText(columns, ['{"a":"x","o":{}}', '{"a":"\\u0041","o":{}}', '{"a":"x","o":5}', '{"a":"x"}', '{"a":1,"o":{}}', '{"a":', '{"a":"x","o":{},"a":"y"}', '{"a":"x","o":{"x":1}}'].join('\n'))
    const selection = columns.newRows()
    for (let row = 0; row < rows; row++) selection[row] = row
    const rest = columns.newRows()
    const program = columns.compile([{ op: 'edit', edits: [{ edit: 'set', field: 2, value: [{ op: 'mask', field: 0, fill: '*' }] }] }])
    const fit = columns.split(program, selection, rows, selection, rest)
    assert.deepEqual([...selection.subarray(0, fit)], [0, 7])
    assert.deepEqual([...rest.subarray(0, rows - fit)], [1, 2, 3, 4, 5, 6])

    const values = columns.newNumbers()
    values.set([Infinity, 1, 2, Number.NaN])
    const ids = columns.newRows()
    ids.set([0, -1, 0, 0])
    selection.set([0, 1, 2, 3])
    const numbers = columns.compile([{ op: 'number', values }, { op: 'entry', ids, dictionary: columns.newDictionary() }])
    assert.equal(columns.split(numbers, selection, 4, selection, rest), 1)
    assert.deepEqual([selection[0], ...rest.subarray(0, 3)], [2, 0, 1, 3])
  })

  test(`${engine}: a program that breaks the rules is refused`, () => {
    const columns = createScanner([['a'], ['o'], ['o', 'x'], ['p', 'x']], { engine })
    const refused = (op: EmitOp, reason: RegExp): void => assert.throws(() => columns.compile([op]), reason)
    const set = (field: number): Edit => ({ edit: 'set', field, value: [{ op: 'literal', text: '1' }] })
    refused({ op: 'raw', field: 4 }, /no column 4/)
    refused({ op: 'edit', edits: [set(0), { edit: 'remove', field: 0 }] }, /two edits meet at a/)
    refused({ op: 'edit', edits: [set(2), { edit: 'remove', field: 1 }] }, /two edits meet at o/)
    refused({ op: 'edit', edits: [set(3)] }, /the object around p.x is no column/)
    refused({ op: 'edit', edits: [{ edit: 'rename', field: 0, key: 'z' }] }, /z, the new name of a, is no column/)
    refused({ op: 'mask', field: 0, fill: '', from: 'é' }, /ASCII/)
    refused({ op: 'mask', field: 0, fill: '', first: -1 }, /whole number/)
    assert.throws(() => columns.emit({ ops: [] }, columns.newRows(), 0, 0, columns.newOutput(10)), /other columns/)
  })

  test(`${engine}: numbers are written as JSON.stringify writes them`, () => {
    const columns = createScanner([['a']], { engine })
    const dice = new Dice(5)
    const values = columns.newNumbers()
    const view = new DataView(new ArrayBuffer(8))
    const edges = [0, -0, 1, -1, 0.1, 0.5, 1e21, 1e-7, 1e-6, 0.0001, 123456.789, 2 ** 53, 2 ** 53 - 1, 2 ** 51 + 0.25, 2 ** 51 + 0.75, 2 ** 52 + 0.5, 5e-324, 1.7976931348623157e308, 0.25, 0.000244140625, 4.35, 82.03999999999999, 99.99999999999999, 9.999999999999998]
    const kinds: (() => number)[] = [
      () => dice.roll(1000000) / 10 ** dice.roll(8),
      () => (dice.roll(20000) / 100) * 1.8 + 32,
      () => dice.roll(1 << 24) * dice.roll(1 << 24) / 2 ** dice.roll(60),
      () => -dice.roll(1 << 24) / dice.roll(1 << 24),
      () => {
        for (let byte = 0; byte < 8; byte++) view.setUint8(byte, dice.roll(256))
        return view.getFloat64(0)
      },
      () => {
        for (let byte = 0; byte < 8; byte++) view.setUint8(byte, dice.roll(256))
        view.setUint16(0, ((1005 + dice.roll(75)) << 4) | dice.roll(16))
        return view.getFloat64(0)
      },
      () => edges[dice.roll(edges.length)] ?? 0,
    ]
    const rows = scanText(columns, '{}\n'.repeat(200))
    const program = columns.compile([{ op: 'number', values }])
    const output = columns.newOutput(1 << 16)
    const selection = columns.newRows()
    for (let row = 0; row < rows; row++) selection[row] = row
    for (let round = 0; round < ROUNDS; round++) {
      for (let row = 0; row < rows; row++) values[row] = kinds[dice.roll(kinds.length)]?.() ?? 0
      output.length = 0
      output.rows = 0
      columns.emit(program, selection, 0, rows, output)
      textOf(output).split('\n').slice(0, rows).forEach((text, row) => assert.equal(text, JSON.stringify(values[row])))
    }
  })
}

/** Random edits that keep the rules, and the same as functions of text. */
function randomEdits(dice: Dice, columns: Columns): Edit[] {
  const fields = PATHS.map((_, field) => field)
  const edits: Edit[] = []
  for (let tries = 1 + dice.roll(6); tries > 0; tries--) {
    const field = dice.roll(fields.length)
    const edit: Edit = [
      (): Edit => ({ edit: 'remove', field }),
      (): Edit => ({ edit: 'rename', field, key: PATHS[dice.roll(fields.length)]?.at(-1) ?? '' }),
      (): Edit => ({ edit: 'set', field, value: [{ op: 'literal', text: dice.pick(['1', '"x"', '{"a":[]}', '"{"', '"é}"', '{}']) }] }),
      (): Edit => ({ edit: 'set', field, value: [{ op: 'literal', text: '[' }, { op: 'raw', field: dice.roll(fields.length) }, { op: 'literal', text: ']' }] }),
    ][dice.roll(4)]?.() ?? { edit: 'remove', field }
    try {
      columns.compile([{ op: 'edit', edits: [...edits, edit] }])
      edits.push(edit)
    } catch {
      // The rules forbid it next to the others.
    }
  }
  return edits
}

function editByText(columns: Columns, edits: readonly Edit[], row: number): string | undefined {
  return edits.reduce<string | undefined>((text, edit) => {
    const path = columns.paths[edit.field] ?? []
    if (text === undefined) return undefined
    if (edit.edit === 'remove') return removeRaw(text, path)
    if (edit.edit === 'rename') return renameRaw(text, path, edit.key)
    return setRaw(text, path, edit.value.map((op) => (op.op === 'literal' ? op.text : op.op === 'raw' ? columns.text(op.field, row) : '')).join(''))
  }, columns.line(row))
}

for (const engine of ENGINES) {
  test(`${engine}: edits of any line give the bytes that the edits of text give one after another`, () => {
    const dice = new Dice(engine.length)
    let compared = 0
    for (let round = 0; round < Math.ceil(ROUNDS / 10); round++) {
      const columns = createScanner(PATHS, { engine })
      const output = columns.newOutput(1 << 18, true)
      const selection = columns.newRows()
      const rest = columns.newRows()
      for (let part = 0; part < 20; part++) {
        const edits = randomEdits(dice, columns)
        const program = columns.compile([{ op: 'edit', edits }])
        const bytes = dice.roll(2) === 0 ? slab(dice, 50) : alikeSlab(dice, 50)
        columns.input.set(bytes)
        const rows = columns.scan(bytes.length)
        for (let row = 0; row < rows; row++) selection[row] = row
        const fit = columns.split(program, selection, rows, selection, rest)
        output.length = 0
        output.rows = 0
        assert.equal(columns.emit(program, selection, 0, fit, output), fit)
        for (let index = 0; index < fit; index++) {
          const row = selection[index] ?? 0
          const got = Buffer.from(output.bytes.subarray(index === 0 ? 0 : output.ends?.[index - 1], (output.ends?.[index] ?? 0) - 1)).toString()
          assert.equal(columns.status[row], OK)
          assert.equal(got, editByText(columns, edits, row), JSON.stringify([columns.line(row), edits]))
          compared++
        }
        for (let index = 0; index < rows - fit; index++) assertUnfit(columns, edits, rest[index] ?? 0)
      }
    }
    assert.ok(compared > ROUNDS)
  })
}

/** A row is left out only for a reason: its status, a missing raw field, or no object around a field that is set. */
function assertUnfit(columns: Columns, edits: readonly Edit[], row: number): void {
  if (columns.status[row] !== OK) return
  const reasons = edits.flatMap((edit) => {
    if (edit.edit !== 'set') return []
    const path = columns.paths[edit.field] ?? []
    const parent = columns.paths.findIndex((other) => other.length === path.length - 1 && other.every((key, index) => key === path[index]))
    const noObject = path.length > 1 && columns.field(parent).kind[row] !== OBJECT
    return [noObject, ...edit.value.map((op) => op.op === 'raw' && columns.field(op.field).kind[row] === MISSING)]
  })
  assert.ok(reasons.includes(true), columns.line(row))
}
