/**
 * Runs the proofs of the log and writes docs/reliability.md from what they counted.
 *
 *     node tools/reliability.ts               the lengths of every day
 *     node tools/reliability.ts --soak 10     ten times as long
 *     node tools/reliability.ts --print       the page of the last run, without running anything
 *
 * Tests write their counts where SLUICE_EVIDENCE says; planted bugs are tried by tools/mutate-guards.ts. Nothing is written unless all tests pass and every
 * planted bug is caught.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { LOG_GUARDS } from './mutate-table-log.ts'

const ROOT = join(import.meta.dirname, '..')
const EVIDENCE = join(ROOT, '.cache', 'reliability')
const PAGE = join(ROOT, 'docs', 'reliability.md')
const TESTS = ['src/log/**/*.test.ts', 'test/log/**/*.test.ts']

interface Proof {
  /** Names of the files that its tests write. */
  readonly evidence: readonly string[]
  readonly title: string
  readonly what: string
  readonly test: string
}

const PROOFS: readonly Proof[] = [
  {
    evidence: ['R01-kill'], title: 'Killed under load', test: 'test/log/kill.test.ts',
    what: 'A process writes records and transactions to a real folder and is killed (`kill -9`) at a random moment, again and again. After each kill the log is opened and read from the start.',
  },
  {
    evidence: ['R03-power-cut'], title: 'Power cut at every operation', test: 'test/log/power-cut.test.ts',
    what: 'A run of producers, transactions, groups and topics is recorded on simulated files. The power is cut after **every** storage operation; of what was not synced, a random legal part stays: whole writes, single sectors, lengths without data, names in any order. The log is opened on what is left.',
  },
  {
    evidence: ['R03-power-cut-again'], title: 'Power cut during the recovery', test: 'test/log/power-cut.test.ts',
    what: 'The same, and the power goes again at every operation of the recovery.',
  },
  {
    evidence: ['R04-truncation'], title: 'Truncated at every byte', test: 'test/log/damage.test.ts',
    what: 'The newest segment is cut at every byte of its last three batches. What is whole is served, the rest is counted and told, and work goes on.',
  },
  {
    evidence: ['R05-flips'], title: 'Flipped bits', test: 'test/log/damage.test.ts',
    what: 'One bit of one file is flipped: segments, indexes, snapshots, metadata. A wrong byte is never served, no other batch is hidden, nothing is deleted.',
  },
  {
    evidence: ['R06-failed-sync', 'R06-any-call'], title: 'Failed syncs and calls', test: 'test/log/disk-faults.test.ts',
    what: 'A sync fails once and then succeeds; and any call to the disk fails once. A failed sync is never tried again: the partition stops, and the power cut that follows finds all that was acknowledged.',
  },
  {
    evidence: ['R07-disk-full'], title: 'Full disk', test: 'test/log/disk-faults.test.ts',
    what: 'The disk becomes full at many places. Every refusal says that it may be tried again, reading goes on, and work resumes without a restart.',
  },
  {
    evidence: ['R08-descriptors'], title: 'No more open files', test: 'test/log/descriptors.test.ts',
    what: 'A process that may hold few open files makes topics until it can\'t. The topics that it has are served.',
  },
  {
    evidence: ['R09-read-only'], title: 'Read-only folder', test: 'test/log/disk-faults.test.ts',
    what: 'The folder turns read-only and back. Nothing is reset or changed, reading goes on, and work resumes without a restart.',
  },
  {
    evidence: ['R14-late-markers'], title: 'Late ends of transactions', test: 'test/log/retries.test.ts',
    what: 'Commits and aborts that arrive after the next transaction began are refused; a transactional id goes on through restarts.',
  },
  {
    evidence: ['R15-retries'], title: 'Lost answers', test: 'test/log/retries.test.ts',
    what: 'Five batches are in flight, and answers are lost at random, so that they are sent again.',
  },
]

function run(command: readonly string[], environment: Readonly<Record<string, string>>): string {
  console.log(`$ ${command.join(' ')}`)
  const { status, stdout } = spawnSync(command[0] ?? '', command.slice(1), { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`${command.join(' ')} failed:\n${stdout.slice(-5000)}`)
  return stdout
}

function countsOf(name: string): Record<string, number | string> {
  const path = join(EVIDENCE, `${name}.json`)
  if (!existsSync(path)) throw new Error(`${path} is missing: the test that writes it did not run. Run node tools/reliability.ts.`)
  // Written by test/log/evidence.ts.
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly counts: Record<string, number | string> }).counts
}

const number = (value: number | string): string => (typeof value === 'number' ? value.toLocaleString('en-US') : value)

function page(soak: number, guarded: string): string {
  const rows = PROOFS.map(({ evidence, title, what, test }) => {
    const counts = Object.entries(Object.assign({}, ...evidence.map(countsOf)) as Record<string, number | string>)
    return `### ${title}\n\n${what}\n\n${counts.map(([name, value]) => `- ${name}: ${number(value)}`).join('\n')}\n- anomalies: 0\n- test: \`${test}\`\n`
  })
  const bugs = LOG_GUARDS.map(({ why, tests }) => `| ${why} | ${tests.map(({ name }) => name).join('; ')} |`)
  const memory = Math.round(totalmem() / 2 ** 30)
  return `# Reliability of the log

<!-- Written by tools/reliability.ts from what the tests counted. Do not edit. -->

What the embedded log acknowledges is on disk, once and in order, and is there after any crash. This page says how that is proved, and what is not promised.

Every client notes what it was told; a checker then reads the whole log and reports records that were lost, doubled, changed, torn apart, skipped, or seen though they
were aborted or never sent (\`src/log/conformance/history.testing.ts\`). A proof passes when it finds none. Runs on simulated files depend on their seeds alone (run 1 has seed 1, and so
on); a failure names the seed, the operation and what was found. Kills of a real process fall where they fall.

Machine of the run below: ${availableParallelism()} cores, ${memory} GiB of memory, ${process.platform} on ${process.arch}, Node.js ${process.versions.node.split('.')[0]}. Length: ${soak} times that of every day.

${rows.join('\n')}
## Planted bugs

Proofs that find nothing prove little unless they find what is there. Each of these bugs was put into a copy of the source, and the named test failed.
${guarded}

| bug | found by |
| --- | --- |
${bugs.join('\n')}

## To repeat it

\`\`\`text
make test                        all of this in its short form, with everything else
make soak-log                    ten times as long, and writes this page
make guards GUARDS=src/log       the planted bugs of the log
\`\`\`

\`SLUICE_SOAK=n\` makes any of the tests n times as long.

## What is not promised

- **One node, one disk.** Whoever loses the disk loses the log. Copies are Kafka's job, and the same pipelines run there.
- **A disk that lies.** If the disk says that data is on it and it is not (a write cache without a battery), a power cut loses what was acknowledged.
- **Weaker durability by name.** With \`interval\` or \`os\` an acknowledgement means less, and a power cut may take back as much as the name says.
- **Damage to what is already on disk** is found and fenced off, not healed: there is no second copy.
- **Two processes on one folder** are kept apart by a lock on one machine. A folder on a network file system may be opened twice.
`
}

function main(args: readonly string[]): void {
  const soak = args.includes('--soak') ? Number(args[args.indexOf('--soak') + 1] ?? 10) : 1
  if (!Number.isSafeInteger(soak) || soak < 1) throw new Error('--soak takes a whole number of 1 or more')
  const summary = join(EVIDENCE, 'planted.txt')
  if (!args.includes('--print')) {
    rmSync(EVIDENCE, { recursive: true, force: true })
    mkdirSync(EVIDENCE, { recursive: true })
    const tests = TESTS.flatMap(pattern => globSync(pattern, { cwd: ROOT })).sort()
    run([process.execPath, '--test', '--test-concurrency=2', ...tests], { SLUICE_EVIDENCE: EVIDENCE, SLUICE_SOAK: String(soak) })
    const files = [...new Set(LOG_GUARDS.map(({ file }) => file))]
    const last = run([process.execPath, 'tools/mutate-guards.ts', ...files], {}).trim().split('\n').at(-1) ?? ''
    writeFileSync(summary, last.replace(/, in \d+ s$/, ''))
  }
  const text = page(soak, `Caught: ${readFileSync(summary, 'utf8')}.`)
  if (args.includes('--print')) console.log(text)
  else writeFileSync(PAGE, text)
}

if (import.meta.main) main(process.argv.slice(2))
