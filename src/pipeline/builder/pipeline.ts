/**
 * Pipelines in TypeScript: a chain of steps in which the compiler knows the event's type at every one.
 *
 *     export default pipeline('late-flights')
 *       .from(file({ path: 'data/flights.ndjson', schema: Flight }))
 *       .filter(f => f.delay > 60)
 *       .map(f => ({ flight: f.id, hours: f.delay / 60 }))
 *       .to(file({ path: 'out/late.ndjson' }))
 *
 * Every step adds a node to one graph, which all parts of the chain share: a step kept in a variable can be continued in several ways. `buildPipeline` makes of
 * the graph what a YAML file is read into, so both are checked by the same code.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { SinkDeclaration, SourceDeclaration, StageDeclaration } from '../../engine/index.ts'
import { INLINE } from './ends.ts'
import { enrichStage, filterStage, flatMapStage, keyStage, mapStage, mapWaitingStage, routeStage, validateStage } from './inline.ts'
import type { EventFunction, LookUp } from './inline.ts'
import type { SinkUse, SourceUse, StageUse } from './use.ts'

/** Settings of a pipeline, as YAML has them. */
export interface PipelineSettings {
  readonly workers?: number | 'auto'
  /** Such as `64MiB`, or bytes. */
  readonly memory?: string | number
  readonly state?: string
  readonly checkpoint_interval?: string
  readonly ordered?: boolean
  readonly batch?: { readonly bytes?: string | number; readonly events?: number; readonly age?: string }
  readonly stall_timeout?: string
  readonly stop_timeout?: string
  /** Modules whose formats and functions are wanted: paths that begin with ./, or packages. Components of a plug-in can be used as they are imported. */
  readonly plugins?: readonly string[]
  /** Folder against which relative paths are resolved: that of the module, or the working folder where the pipeline is run by a program. */
  readonly folder?: string
}
export interface RetrySettings {
  readonly attempts?: number
  readonly backoff?: string
  readonly factor?: number
  readonly backoff_max?: string
  readonly deadline?: string
  readonly budget?: number
}
export interface SinkSettings {
  readonly id?: string
  readonly retry?: RetrySettings
  readonly breaker?: { readonly failures?: number; readonly cooldown?: string; readonly successes?: number }
  readonly rate_limit?: { readonly events?: number; readonly bytes?: string | number; readonly per?: string }
}
export interface StageSettings extends SinkSettings {
  readonly on_error?: 'dead_letter' | 'stop' | 'drop' | 'pass'
  readonly concurrency?: number | 'auto'
}

/** A node as YAML would have it. */
type Entry = Readonly<Record<string, unknown>>

/** What a chain has grown into. */
export interface Graph {
  readonly name: string
  readonly settings: PipelineSettings
  readonly sources: Map<string, Entry>
  readonly stages: Entry[]
  readonly sinks: Map<string, Entry>
  deadLetters: Entry | undefined
  /** Declarations of the pipeline itself, on top of those of the registry. */
  readonly declarations: (SourceDeclaration | StageDeclaration | SinkDeclaration)[]
  readonly ids: Set<string>
}

/** Begins a pipeline. */
export function pipeline(name: string, settings: PipelineSettings = {}): PipelineStart {
  return new PipelineStart({ name, settings, sources: new Map(), stages: [], sinks: new Map(), deadLetters: undefined, declarations: [], ids: new Set() })
}

/** One chain per case; a type guard narrows the type of its events. */
type Narrowed<T, R> = { readonly [K in keyof R]: Pipeline<R[K] extends (event: T) => event is (infer S extends T) ? S : T> }

function freeId(taken: { has(id: string): boolean }, wanted: string): string {
  for (let number = 1; ; number++) {
    const id = number === 1 ? wanted : `${wanted}-${number}`
    if (!taken.has(id)) return id
  }
}

export class PipelineStart {
  readonly #graph: Graph

  constructor(graph: Graph) {
    this.#graph = graph
  }

  /** Takes events from a source; `from` again adds another. */
  from<T>(source: SourceUse<T>, settings: { readonly id?: string } = {}): Pipeline<T> {
    return addSource(this.#graph, source, settings)
  }
}

/** Makes a declaration known to the pipeline; one that the program made gets a name that no other has. Answers the name. */
function declare(graph: Graph, declaration: Graph['declarations'][number]): string {
  const type = declaration.type === INLINE ? `${INLINE}:${graph.declarations.length}` : declaration.type
  graph.declarations.push({ ...declaration, type })
  return type
}

function addSource<T>(graph: Graph, source: SourceUse<T>, settings: { readonly id?: string }): Pipeline<T> {
  const id = settings.id ?? freeId(graph.ids, source.type === INLINE ? 'source' : source.type)
  graph.ids.add(id)
  graph.sources.set(id, { [declare(graph, source.source)]: source.config })
  const made = new Pipeline<T>(graph, [id])
  return source.schema === undefined ? made : made.validate(source.schema)
}

/** A chain whose last step gives events of type `T`. */
export class Pipeline<T> {
  /** Read by `buildPipeline`. */
  readonly graph: Graph
  readonly #tips: readonly string[]

  constructor(graph: Graph, tips: readonly string[]) {
    this.graph = graph
    this.#tips = tips
  }

  /** Takes events from another source too; both are then of one of the two types. */
  from<U>(source: SourceUse<U>, settings: { readonly id?: string } = {}): Pipeline<T | U> {
    return this.merge(addSource(this.graph, source, settings))
  }

  /** Goes on with the events of both chains. They must be of one pipeline. */
  merge<U>(other: Pipeline<U>): Pipeline<T | U> {
    return new Pipeline<T | U>(this.graph, [...this.#tips, ...other.#tips])
  }

  /** Keeps the events for which the function holds; a type guard narrows the type. */
  filter<S extends T>(holds: (event: T) => event is S, settings?: StageSettings): Pipeline<S>
  filter(holds: EventFunction<T, boolean>, settings?: StageSettings): Pipeline<T>
  filter(holds: EventFunction<T, boolean>, settings: StageSettings = {}): Pipeline<T> {
    return this.#inline('filter', type => filterStage(type, holds), settings)
  }

  /** Puts what the function returns in the event's place; `undefined` leaves the event out. */
  map<U>(make: EventFunction<T, U>, settings: StageSettings = {}): Pipeline<Exclude<U, undefined>> {
    return this.#inline('map', type => mapStage(type, make), settings)
  }

  /** As `map`, for a function that waits: `concurrency` calls are under way at once, in order. */
  mapAsync<U>(make: EventFunction<T, Promise<U>>, settings: StageSettings = {}): Pipeline<Exclude<U, undefined>> {
    return this.#inline('map', type => mapWaitingStage(type, make), settings)
  }

  /** Makes any number of events of each. */
  flatMap<U>(make: EventFunction<T, readonly U[]>, settings: StageSettings = {}): Pipeline<U> {
    return this.#inline('flat_map', type => flatMapStage(type, make), settings)
  }

  /** Checks each event with a validator of the Standard Schema (Zod, Valibot, ArkType and others); what it refuses goes to the dead letters. */
  validate<S extends StandardSchemaV1>(schema: S, settings: StageSettings = {}): Pipeline<StandardSchemaV1.InferOutput<S>> {
    return this.#inline('validate', type => validateStage(type, schema), settings)
  }

  /** Looks each event up, and combines it with what was found (`undefined` where nothing was). */
  enrich<R, U>(table: LookUp<R>, keyOf: EventFunction<T, string>, combine: (event: T, found: R | undefined) => U, settings: StageSettings = {}): Pipeline<Exclude<U, undefined>> {
    return this.#inline('enrich', type => enrichStage(type, table, keyOf, combine), settings)
  }

  /** Sends events with equal keys to one owner, in order: what follows runs per key. The key becomes the event's. */
  partitionBy(keyOf: EventFunction<T, string>, settings: Pick<StageSettings, 'id'> = {}): Pipeline<T> {
    return this.#inline<T>('key', type => keyStage(type, keyOf), {})
      .#add(freeId(this.graph.ids, settings.id ?? 'partition_by'), { partition_by: 'key' })
  }

  /** Sends each event to the first output whose function holds; the others go to `rest`. */
  route<const R extends Readonly<Record<string, (event: T) => boolean>>>(cases: R, settings: StageSettings = {}): Narrowed<T, R> & { readonly rest: Pipeline<T> } {
    const routed = this.#inline<T>('route', type => routeStage(type, Object.entries(cases)), settings)
    const id = routed.#tips[0] ?? ''
    const outputs = Object.keys(cases).map(name => [name, new Pipeline<T>(this.graph, [`${id}.${name}`])])
    return { ...Object.fromEntries(outputs), rest: routed } as Narrowed<T, R> & { readonly rest: Pipeline<T> } // One chain per case, as the type says.
  }

  /** Goes through a stage that was declared, with its config. */
  through<O>(use: StageUse<T, O>, settings: StageSettings = {}): Pipeline<O> {
    const { id = freeId(this.graph.ids, use.type), ...rest } = settings
    return this.#add(id, { ...rest, [declare(this.graph, use.stage)]: use.config })
  }

  /** Hands the events to a sink as well. */
  to(use: SinkUse, settings: SinkSettings = {}): this {
    const { id = freeId(this.graph.sinks, use.type === INLINE ? 'sink' : use.type), ...rest } = settings
    this.graph.sinks.set(id, { ...rest, from: this.#tips, [declare(this.graph, use.sink)]: use.config })
    return this
  }

  /** Says where events of the pipeline go that failed. */
  deadLetters(use: SinkUse, settings: Omit<SinkSettings, 'id'> = {}): this {
    this.graph.deadLetters = { ...settings, [declare(this.graph, use.sink)]: use.config }
    return this
  }

  #inline<U>(name: string, make: (type: string) => StageDeclaration, settings: StageSettings): Pipeline<U> {
    const { id = freeId(this.graph.ids, name), ...rest } = settings
    return this.#add(id, { ...rest, [declare(this.graph, make(INLINE))]: {} })
  }

  #add<U>(id: string, entry: Entry): Pipeline<U> {
    this.graph.ids.add(id)
    this.graph.stages.push({ id, from: this.#tips, ...entry })
    return new Pipeline<U>(this.graph, [id])
  }
}
