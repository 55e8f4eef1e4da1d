/**
 * Rounds of trouble: a pipeline is run by the real command while it is killed, stopped, reloaded and its surroundings go wrong, at moments drawn from a seed. At the end
 * of each round it runs to its end in peace, and what came out is compared with what went in.
 *
 * The same seed draws the same troubles; where exactly they fall is up to the machine.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { seededRandom } from '../../src/platform/index.ts'
import { FaultyProxy } from '../servers/proxy.ts'
import { Receiver } from './receiver.ts'
import type { Manner } from './receiver.ts'
import { Trial, upTo } from './trial.ts'
import type { Started } from './trial.ts'

/** What happened so far. */
export interface Soaked {
  rounds: number
  events: number
  runs: number
  kills: number
  stops: number
  reloads: number
  faults: number
  peak_rss_bytes: number
}

/** A pipeline, what goes wrong around it, and how to tell that nothing is missing. */
interface Lane {
  /** The pipeline; `mark` may stand anywhere in it where it changes nothing. */
  yaml(mark: number): string
  readonly events: number
  /** Makes something go wrong. */
  hurt?(): void
  heal?(): void
  check(): Promise<void>
  close?(): Promise<void>
}

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T // Lists here are not empty.
const sleep = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms))

/** File to file with memory and checkpoints: exactly once. */
function files(trial: Trial, random: Random): Promise<Lane> {
  const events = 60_000
  const [from, bad] = [Math.floor(random() * 7), 900 + Math.floor(random() * 100)]
  trial.write('in.ndjson', upTo(events).map(n => (n % bad === 5 ? `{"n":${n},\n` : `{"n":${n}}\n`)).join(''))
  return Promise.resolve({
    events,
    yaml: mark => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ filter: event.n % 7 != ${from} && ${mark} >= 0 }, { dedupe: { key: event.n, window: 0s } }]
sinks: { out: { file: { path: out.ndjson }, rate_limit: { events: 1500, per: 100ms } } }
dead_letters: { file: { path: failed.ndjson } }
state: state
checkpoint_interval: ${10 + Math.floor(random() * 50)}ms
batch: { bytes: 4KiB }
`,
    check: () => {
      assert.deepEqual(trial.numbersIn('out.ndjson'), upTo(events).filter(n => n % bad !== 5 && n % 7 !== from))
      assert.deepEqual(trial.letters().map(({ original }) => original), upTo(events).filter(n => n % bad === 5).map(n => `{"n":${n},`))
      return Promise.resolve()
    },
  })
}

const MANNERS: readonly Manner[] = ['refuse', 'hang', 'take and hang', 'take and deny', 'take and break off', 'take and never end', 'later']

/** File to a server behind a network, both of which go wrong: at least once. */
async function server(trial: Trial, random: Random): Promise<Lane> {
  const events = 15_000
  trial.numbers('in.ndjson', events)
  const receiver = new Receiver()
  await receiver.listen()
  const proxy = new FaultyProxy(receiver.address, { random })
  const at = await proxy.listen()
  const faults: readonly (() => void)[] = [
    () => proxy.hurt({ latency: 5, jitter: 20 }), () => proxy.hurt({ slice: 50 }), () => proxy.hurt({ bandwidth: 100_000 }), () => proxy.hurt({ limit: 3000 }),
    () => proxy.hurt({ losesAnswers: true }), () => proxy.hurt({ slowClose: 50 }), () => proxy.cutPairs(), () => proxy.resetPairs(), () => proxy.stallPairs(), () => proxy.stall(),
    () => proxy.refuse(true), () => proxy.heal(), () => (receiver.delay = 30), () => (receiver.delay = 0),
    () => {
      const manner = pick(random, MANNERS)
      receiver.manner = request => (request % 3 === 0 ? manner : 'take')
    },
  ]
  const heal = (): void => {
    proxy.heal()
    receiver.manner = () => 'take'
    receiver.delay = 0
  }
  return {
    events,
    yaml: mark => `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
stages: [{ filter: event.n % 5 != 2 && ${mark} >= 0 }]
sinks:
  out:
    http: { url: 'http://${at}/', events: 50, timeout: 200ms }
    retry: { attempts: 0, deadline: 0s, backoff: 5ms, backoff_max: 50ms }
    rate_limit: { events: 400, per: 100ms }
dead_letters: { file: { path: failed.ndjson } }
state: state
checkpoint_interval: 30ms
batch: { bytes: 2KiB }
stop_timeout: 2s
`,
    hurt: () => pick(random, faults)(),
    heal,
    check: () => {
      assert.deepEqual(receiver.missing(events, n => n % 5 !== 2), [], 'missing at the server')
      assert.deepEqual([...receiver.taken.keys()].filter(n => n % 5 === 2), [], 'came though it was filtered')
      assert.deepEqual(trial.letters(), [])
      return Promise.resolve()
    },
    close: async () => {
      await proxy.close()
      await receiver.close()
    },
  }
}

/** From topic to topic of a log: exactly once, by its transactions. */
async function logs(trial: Trial): Promise<Lane> {
  const events = 60_000
  trial.numbers('in.ndjson', events)
  const log = (name: string, more: string): string => `{ log: { log: ./data, topic: ${name}, ${more} } }`
  trial.write('fill.yaml', `pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: ${log('t', 'create: { partitions: 1 }')} }\nworkers: 0\nbatch: { bytes: 4KiB }\n`)
  await trial.run(['fill.yaml'])
  return {
    events,
    yaml: mark => `pipeline: p
sources: { in: ${log('t', 'group: g, until: end')} }
stages: [{ filter: event.n % 3 != 1 && ${mark} >= 0 }]
sinks: { out: { log: { log: ./data, topic: u, create: { partitions: 1 } }, rate_limit: { events: 2000, per: 100ms } } }
dead_letters: { file: { path: failed.ndjson } }
checkpoint_interval: 50ms
memory: 1MiB
batch: { bytes: 4KiB }
`,
    check: async () => {
      trial.write('read.yaml', `pipeline: read\nsources: { in: ${log('u', 'until: end')} }\nsinks: { out: { file: { path: read.ndjson } } }\nworkers: 0\n`)
      await trial.run(['read.yaml'])
      assert.deepEqual(trial.numbersIn('read.ndjson'), upTo(events).filter(n => n % 3 !== 1))
      assert.deepEqual(trial.letters(), [])
    },
  }
}

const LANES = { files, server, logs } as const
export type LaneName = keyof typeof LANES
const NAMES = Object.keys(LANES) as LaneName[] // Its keys are those.

export class Soak {
  readonly soaked: Soaked = { rounds: 0, events: 0, runs: 0, kills: 0, stops: 0, reloads: 0, faults: 0, peak_rss_bytes: 0 }
  readonly #seed: number
  readonly #runs: number

  /** `runs`: how many runs of a round are disturbed. */
  constructor(seed: number, runs = 8) {
    this.#seed = seed
    this.#runs = runs
  }

  /** One round. Throws what is wrong, with the seed; the folder stays then. */
  async round(number: number): Promise<void> {
    const name = NAMES[number % NAMES.length] as LaneName // The remainder is an index.
    const random = seededRandom(this.#seed * 1000 + number)
    const trial = new Trial(`soak-${name}`)
    const lane = await LANES[name](trial, random)
    try {
      for (let run = 0; run < this.#runs; run++) if (await this.#disturbed(trial, lane, random)) break
      lane.heal?.()
      trial.write('p.yaml', lane.yaml(0))
      const { peak_rss_bytes } = await trial.run()
      await lane.check()
      this.soaked.rounds++
      this.soaked.runs++
      this.soaked.events += lane.events
      this.soaked.peak_rss_bytes = Math.max(this.soaked.peak_rss_bytes, peak_rss_bytes)
    } catch (error) {
      throw new Error(`Round ${number} (${name}) of seed ${this.#seed} went wrong. What is left of it: ${trial.folder}`, { cause: error })
    } finally {
      await lane.close?.()
    }
    trial.remove()
  }

  /** A run that is disturbed until it ends. Answers whether it came to the end of its input. */
  async #disturbed(trial: Trial, lane: Lane, random: Random): Promise<boolean> {
    trial.write('p.yaml', lane.yaml(0))
    rmSync(trial.path('report.json'), { force: true })
    const run = trial.start(['p.yaml', '--workers', String(Math.floor(random() * 3))])
    this.soaked.runs++
    let asked = 0
    for (let step = 0; !run.isOver; step++) {
      await sleep(30 + random() * 400)
      if (run.isOver) break
      const trouble = random()
      if (step > 10 || trouble < 0.2) {
        run.kill('SIGKILL')
        this.soaked.kills++
        break
      } else if (trouble < 0.4) {
        asked = await this.#stop(run, random)
        break
      } else if (trouble < 0.6) {
        trial.write('p.yaml', lane.yaml(step))
        run.kill('SIGHUP')
        this.soaked.reloads++
      } else if (lane.hurt !== undefined) {
        lane.hurt()
        this.soaked.faults++
      }
    }
    return this.#judge(trial, await run.ended, asked)
  }

  /** Asks it to stop, once or twice. Answers how often. */
  async #stop(run: Started, random: Random): Promise<number> {
    this.soaked.stops++
    run.kill('SIGTERM')
    if (random() < 0.5) return 1
    await sleep(random() * 50)
    run.kill('SIGTERM')
    return 2
  }

  #judge(trial: Trial, { code, signal, err }: Awaited<Started['ended']>, asked: number): boolean {
    // A signal ends what has not yet begun to listen to it.
    if (signal === 'SIGKILL' || signal === 'SIGHUP' || (signal === 'SIGTERM' && asked > 0)) return false
    // What a server that hangs keeps from landing within `stop_timeout` is left to the next start, as what a second signal cuts off.
    if (code === 1 && asked > 0 && /STOP_TIMEOUT|stopped at once/.test(err)) return false
    if (code === 1 && asked === 2) return false
    assert.equal(code, 0, `exit code ${code}, signal ${signal}: ${err}`)
    const { stopped_by } = trial.account()
    return stopped_by === 'end of input'
  }
}
