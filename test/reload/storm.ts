/**
 * One reload after another, and one stop after another, at random moments and under load, with the real command: where exactly once is promised, each event comes out once
 * and in its place, whatever changes and whenever it stops.
 *
 * The same seed draws the same changes; where exactly they fall is up to the machine.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { seededRandom } from '../../src/platform/index.ts'
import { Trial, upTo } from '../faults/trial.ts'
import type { Account, Started } from '../faults/trial.ts'

/** What a config may be without making a difference to what comes out. */
interface Variant {
  readonly mark: number
  /** A stage more. */
  readonly extra: boolean
  readonly workers: number
  /** Bytes of a batch. */
  readonly batch: number
  /** Events a second that the sink takes; 0: as many as come. */
  readonly rate: number
  /** Reads on where the input has no more. */
  readonly waits: boolean
}

interface Lane {
  yaml(variant: Variant): string
  /** Numbers that came out. */
  out(): Promise<number[]>
}

const sleep = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms))

const stages = ({ mark, extra }: Variant): string => `stages:
  - filter: event.n % 7 != 3 && ${mark} >= 0
${extra ? `  - id: extra\n    filter: event.n >= 0\n` : ''}`
const limits = ({ workers, batch }: Variant): string => `workers: ${workers}\nbatch: { bytes: ${batch} }\nmemory: 16KiB\ncheckpoint_interval: 30ms\nstop_timeout: 30s\n`
const limit = ({ rate }: Variant): string => (rate === 0 ? '' : `, rate_limit: { events: ${Math.ceil(rate / 20)}, per: 50ms }`)

/** File to file, with a stage that remembers, and checkpoints. */
async function files(trial: Trial, events: number): Promise<Lane> {
  // Each number twice: the second is dropped, unless what was remembered is lost.
  trial.write('in.ndjson', upTo(events).map(n => `{"n":${n}}\n{"n":${n}}\n`).join(''))
  return Promise.resolve({
    yaml: variant => `pipeline: p
sources: { in: { file: { path: ${variant.mark % 3 === 0 ? './in.ndjson' : 'in.ndjson'}, follow: ${variant.waits} } } }
${stages(variant)}  - dedupe: { key: event.n, window: 0s }
sinks: { out: { file: { path: ${variant.mark % 5 === 0 ? './out.ndjson' : 'out.ndjson'} }${limit(variant)} } }
state: state
${limits(variant)}`,
    out: () => Promise.resolve(trial.numbersIn('out.ndjson')),
  })
}

/** From topic to topic of a log, by its transactions. */
async function logs(trial: Trial, events: number): Promise<Lane> {
  const log = (name: string, more: string): string => `{ log: { log: ./data, topic: ${name}, ${more} }`
  // Long ones: a source of a log reads two megabytes at a time, and all of it lands before a stop or a reload.
  trial.numbers('in.ndjson', events, 'x'.repeat(700))
  trial.write('fill.yaml', `pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: ${log('t', 'create: { partitions: 1 }')} } }\nworkers: 0\nbatch: { bytes: 4KiB }\n`)
  await trial.run(['fill.yaml'])
  return {
    yaml: variant => `pipeline: p
sources: { in: ${log('t', `group: g${variant.waits ? '' : ', until: end'}`)} } }
${stages(variant)}sinks: { out: ${log('u', 'create: { partitions: 1 }')}${limit(variant)} } }
${limits(variant)}`,
    out: async () => {
      trial.write('read.yaml', `pipeline: read\nsources: { in: ${log('u', 'until: end')} } }\nstages: [{ map: { n: event.n } }]\nsinks: { out: { file: { path: read.ndjson } } }\nworkers: 0\n`)
      await trial.run(['read.yaml'])
      return trial.numbersIn('read.ndjson')
    },
  }
}

const MADE = { files, logs } as const
export type LaneName = keyof typeof MADE
export const LANES = Object.keys(MADE) as LaneName[] // Its keys are those.

/** How many reloads, and stops, and what the changes are drawn from. */
export const stormLength = Number(process.env['SLUICE_STORM'] ?? 12)
export const stormSeed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)

/** What the admin server answers. */
interface Answer {
  readonly outcome?: string
  readonly generation?: number
  readonly error?: { readonly code: string; readonly message: string }
}

export class Storm {
  readonly #name: LaneName
  readonly #random: () => number
  #mark = 0

  constructor(name: LaneName, seed: number) {
    this.#name = name
    this.#random = seededRandom(seed)
  }

  /** Enough that the input does not end before the storm. */
  #events(count: number, rate: number): number {
    return this.#name === 'logs' ? count * 3500 : count * rate
  }

  #variant(rate: number, waits: boolean): Variant {
    const random = this.#random
    return { mark: ++this.#mark, extra: random() < 0.5, workers: Math.floor(random() * 3), batch: 1024 + Math.floor(random() * 4096), rate, waits }
  }

  /** So many reloads, one after the other, of a pipeline that takes `rate` events a second; then it runs to its end. Answers how they went. */
  async reloads(count: number, rate = 2000): Promise<{ readonly switched: number; readonly refused: number; readonly eventsMeanwhile: number }> {
    const trial = new Trial(`reloads-${this.#name}`)
    const events = this.#events(count, rate)
    const lane = await MADE[this.#name](trial, events)
    trial.write('p.yaml', lane.yaml(this.#variant(rate, true)))
    const run = trial.start(['p.yaml', '--admin', '127.0.0.1:0'])
    try {
      return await this.#reloading(run, trial, lane, { count, rate, events })
    } finally {
      run.kill('SIGKILL')
    }
  }

  async #reloading(run: Started, trial: Trial, lane: Lane, { count, rate, events }: { readonly count: number; readonly rate: number; readonly events: number }): Promise<{ readonly switched: number; readonly refused: number; readonly eventsMeanwhile: number }> {
    const url = await this.#open(run)
    const done = { switched: 0, refused: 0, eventsMeanwhile: 0 }
    for (let at = 0; at < count; at++) {
      await sleep(this.#random() * 60)
      const isBroken = this.#random() < 0.1
      trial.write('p.yaml', isBroken ? lane.yaml(this.#variant(rate, true)).replace('filter: event.n', 'filter: event.n <') : lane.yaml(this.#variant(rate, true)))
      const before = done.switched + 1
      // Two who ask at once are answered one after the other.
      const asks = this.#random() < 0.1 ? 2 : 1
      for (const { outcome, generation, error } of await Promise.all(Array.from({ length: asks }, () => reload(url)))) {
        if (isBroken) assert.match(error?.message ?? '', /filter: event.n </, JSON.stringify({ outcome, error }))
        else assert.equal(outcome, 'switched', `${JSON.stringify(error)} in ${trial.folder}`)
        done[isBroken ? 'refused' : 'switched']++
        if (!isBroken) assert.ok(generation !== undefined && generation > before, `generation ${generation}`)
      }
      assert.equal(await generationOf(url), done.switched + 1)
    }
    done.eventsMeanwhile = await eventsInOf(url)
    trial.write('p.yaml', lane.yaml(this.#variant(0, false)))
    const last = await reload(url)
    assert.equal(last.outcome, 'switched', `${JSON.stringify(last.error)} in ${trial.folder}`)
    const { code, err } = await run.ended
    assert.equal(code, 0, err)
    const { in_flight } = trial.account()
    assert.equal(in_flight, 0)
    await this.#prove(lane, events, trial)
    return done
  }

  /** Until all parts are open; answers the address of its admin server. */
  async #open(run: Started): Promise<string> {
    assert.ok(await run.says(/Admin: http:\S+/), run.err)
    const url = /Admin: (http:\S+)/.exec(run.err)?.[1] ?? ''
    while ((await fetch(`${url}/startupz`)).status !== 200) await sleep(5)
    return url
  }

  /** Until events go through it, or it is over. */
  async #working(run: Started): Promise<void> {
    const url = await this.#open(run)
    // There may be nothing left to be read.
    for (let looks = 0; looks < 100 && !run.isOver && (await eventsInOf(url)) === 0; looks++) await sleep(5)
  }

  /** So many runs, each stopped at a random moment, the beginning included; then one that runs to its end. Answers in how many of them events went through. */
  async stops(count: number, rate = 2000): Promise<{ readonly stopped: number; readonly worked: number }> {
    const trial = new Trial(`stops-${this.#name}`)
    const events = this.#events(count, rate)
    const lane = await MADE[this.#name](trial, events)
    let worked = 0
    for (let at = 0; at < count; at++) {
      trial.write('p.yaml', lane.yaml(this.#variant(rate, true)))
      rmSync(trial.path('report.json'), { force: true })
      const run = trial.start(['p.yaml', '--admin', '127.0.0.1:0'])
      // Some while it begins, most while it works.
      if (this.#random() < 0.75) await this.#working(run)
      await sleep(this.#random() * 300)
      if (this.#random() < 0.2) run.kill('SIGHUP')
      run.kill('SIGTERM')
      const isTwice = this.#random() < 0.2
      if (isTwice) {
        await sleep(this.#random() * 30)
        run.kill('SIGTERM')
      }
      const { code, signal, err } = await run.ended
      // A signal ends what does not listen to it yet; a second one does not wait for what is under way.
      if (signal === 'SIGTERM' || signal === 'SIGHUP') continue
      if (isTwice && code === 1) continue
      assert.equal(code, 0, err)
      const account = trial.account()
      this.#judge(account, isTwice, err)
      if (account.events_in > 0) worked++
    }
    trial.write('p.yaml', lane.yaml(this.#variant(0, false)))
    await trial.run()
    await this.#prove(lane, events, trial)
    return { stopped: count, worked }
  }

  #judge({ stopped_by, in_flight }: Account, isTwice: boolean, err: string): void {
    assert.equal(stopped_by, 'signal', err)
    if (!isTwice) assert.equal(in_flight, 0, err)
  }

  /** The folder stays where something is wrong. */
  async #prove(lane: Lane, events: number, trial: Trial): Promise<void> {
    assert.deepEqual(await lane.out(), upTo(events).filter(n => n % 7 !== 3), trial.folder)
    trial.remove()
  }
}

async function reload(url: string): Promise<Answer> {
  return (await (await fetch(`${url}/v1/pipelines/p/reload`, { method: 'POST' })).json()) as Answer // Its own answer; so for the others.
}

async function generationOf(url: string): Promise<number> {
  return ((await (await fetch(`${url}/v1/pipelines/p`)).json()) as { readonly generation: number }).generation
}

async function eventsInOf(url: string): Promise<number> {
  return ((await (await fetch(`${url}/v1/pipelines/p`)).json()) as { readonly events_in: number }).events_in
}
