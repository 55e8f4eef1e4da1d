/** The dashboard on a real terminal: drawn, driven by keys, and gone without a trace. tmux is the terminal. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const sluice = join(import.meta.dirname, '../../bin/sluice.js')
const folder = mkdtempSync(join(tmpdir(), 'sluice-dashboard-'))
/** Each terminal has a server of its own: one that is told to end takes its time. */
let server = 0
const tmux = (...args: string[]): string => spawnSync('tmux', ['-S', join(folder, `tmux-${server}`), ...args], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' } }).stdout
const lib = join(import.meta.dirname, '../servers/lib.sh')
const isThere = spawnSync('bash', ['-c', `service=dashboard; . "${lib}"; debian tmux tmux`], { encoding: 'utf8' }).status === 0
const skip = isThere ? false : 'tmux is not here: apt-get install tmux'

before(() => {
  assert.ok(isThere || (process.env['CI'] ?? '') === '', 'tmux can\'t be had')
  writeFileSync(join(folder, 'p.yaml'), `pipeline: shown
sources: { in: { generate: { shape: sensor, rate: 5000, count: 100000000 } } }
stages:
  - id: check
    validate: { ranges: { temperature: [-50, 30] } }
sinks: { out: { discard: {} } }
dead_letters: { file: { path: dead.ndjson } }
`)
})
after(() => {
  tmux('kill-server')
  rmSync(folder, { recursive: true, force: true })
})

const screen = (): string => tmux('capture-pane', '-p', '-t', 'own')

/** Looks at the screen until it is so. */
async function until(what: RegExp): Promise<string> {
  for (let looks = 0; ; looks++) {
    const text = screen()
    if (what.test(text)) return text
    assert.ok(looks < 1200, `${what} does not come:\n${text}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Runs a command in a terminal of this size. */
function open(columns: number, rows: number, command: string): void {
  tmux('kill-server')
  server++
  tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'own', '-x', String(columns), '-y', String(rows), '-c', folder, 'sh')
  tmux('send-keys', '-t', 'own', `PS1='$ '; clear; echo before; ${command}; echo ended $?`, 'Enter')
}

for (const [columns, rows] of [[80, 24], [200, 60]] as const) {
  test(`at ${columns}x${rows} it shows the flow, pauses, resumes, and gives the terminal back`, { skip }, async () => {
    open(columns, rows, `${process.execPath} ${sluice} run p.yaml --dashboard --workers 1`)
    const text = await until(/stage +check +validate .*[1-9].*\/s/)
    assert.match(text, /^shown  running/m)
    assert.match(text, /^source +in +generate/m)
    assert.match(text, /^sink +out +discard/m)
    assert.doesNotMatch(text, /before/, 'the screen is its own')
    assert.ok(text.split('\n').every(line => line.length <= columns))
    tmux('send-keys', '-t', 'own', 'Down', 'Down')
    await until(/^stage {2}>check/m)
    tmux('send-keys', '-t', 'own', 't')
    await until(/^events after check\n\d\d:\d\d:\d\d\.\d{3} \{"id"/m)
    tmux('send-keys', '-t', 'own', 't')
    await until(/t events of >/)
    tmux('send-keys', '-t', 'own', 'p')
    await until(/^shown  paused/m)
    tmux('send-keys', '-t', 'own', 'p')
    await until(/^shown  running/m)
    tmux('send-keys', '-t', 'own', 'r')
    await until(/generation 2/)
    tmux('send-keys', '-t', 'own', 'q')
    const end = await until(/ended 0/)
    assert.match(end, /before/, 'what was there before is there again')
    assert.match(end, /Stopping \(asked for\): nothing more is read/, 'what is said behind the screen stands on the terminal')
    assert.match(end, /shown  stopped after/)
    tmux('send-keys', '-t', 'own', 'echo typed', 'Enter')
    await until(/^typed/m)
  })
}

test('a run that fails, or is killed by a signal, gives the terminal back and says why', { skip }, async () => {
  open(100, 30, `${process.execPath} ${sluice} run p.yaml --dashboard --workers 1`)
  await until(/^shown  running/m)
  tmux('send-keys', '-t', 'own', 'C-c')
  assert.match(await until(/ended 0/), /stopped after/)
})

test('where there is no terminal, or a sink uses it, that is told', { skip }, async () => {
  const piped = spawnSync(process.execPath, [sluice, 'run', 'p.yaml', '--dashboard'], { cwd: folder, encoding: 'utf8' })
  assert.deepEqual([piped.status, /--dashboard needs a terminal/.test(piped.stderr)], [2, true])
  writeFileSync(join(folder, 'out.yaml'), 'pipeline: p\nsources: { in: { generate: { shape: sensor, count: 10 } } }\nsinks: { out: { stdout: {} } }\n')
  open(100, 30, `${process.execPath} ${sluice} run out.yaml --dashboard`)
  assert.match(await until(/ended 2/), /needs the terminal for itself, and "out" uses it too/)
})
