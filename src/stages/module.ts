/**
 * A stage in TypeScript: a function from a value to a value, loaded from a file.
 *
 *     export default (order: Order) => ({ ...order, total: order.price * order.count })
 *
 * What the function returns takes the event's place; `undefined` drops it, an array makes several. What it throws rejects the event. A default export made by
 * `defineStage` is used as it is. Node runs TypeScript by leaving the types out, so the file may use erasable syntax only.
 */
import { pathToFileURL } from 'node:url'
import { SluiceError, suggest } from '../base/index.ts'
import { defineStage, field, fits, prepareConfig, stageWaits } from '../engine/index.ts'
import type { Field, Output, Stage, StageContext, StageDeclaration } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'

type StageFunction = (value: JsonValue, event: Event) => JsonValue | readonly JsonValue[] | undefined

function isStage(value: unknown): value is StageDeclaration {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'stage'
}

async function load(path: string, config: unknown, context: StageContext): Promise<Stage> {
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown } // Any module may have a default export.
  } catch (error) {
    throw new SluiceError('MODULE_FAILED', `${path} can't be loaded: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  const made = module.default
  if (typeof made === 'function') return functionStage(made as StageFunction) // What it does is for its author to say.
  if (!isStage(made)) throw new SluiceError('MODULE_FAILED', `${path} must export a function or a stage by default.`)
  if (stageWaits(made, config)) throw new SluiceError('MODULE_FAILED', `${path}: a stage that waits can't be run by "module"; load it as a plug-in.`)
  if (made.memory === 'keyed') throw new SluiceError('MODULE_FAILED', `${path}: a stage with memory can't be run by "module"; load it as a plug-in.`)
  checkConfig(made.config, config, path)
  const stage = made.create(prepareConfig(made.config, config, context), context)
  await stage.open?.()
  return stage
}

/** The module is loaded when the stage opens: what is wrong with its config can be told no earlier. Throws CONFIG_VALUE. */
function checkConfig({ properties = {}, required = [], additionalProperties }: Field<unknown>, config: unknown, path: string): void {
  const given = typeof config === 'object' && config !== null ? (config as Readonly<Record<string, unknown>>) : {} // An object has keys.
  const faults = required.filter(name => given[name] === undefined).map(name => `it needs "${name}"`)
  for (const [name, value] of Object.entries(given)) {
    const of = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (of === undefined && additionalProperties === false) faults.push(`there is no "${name}"${hintOf(name, Object.keys(properties))}`)
    // A number or true is an expression too.
    else if (of !== undefined && of['x-sluice'] !== 'expression' && !fits(of, value)) faults.push(`"${name}" must be ${wanted(of)}`)
  }
  if (faults.length > 0) throw new SluiceError('CONFIG_VALUE', `The config of ${path}: ${faults.join('; ')}.`)
}

/** What stands there is not shown: it may be a secret. */
function wanted(of: Field<unknown>): string {
  return of.enum?.map(String).join(' or ') ?? of['x-sluice'] ?? [of.type ?? 'of another kind'].flat().join(' or ')
}

function hintOf(name: string, known: readonly string[]): string {
  const near = suggest(name, known)
  return near === undefined ? `; it takes ${known.length === 0 ? 'nothing' : known.join(', ')}` : ` (did you mean "${near}"?)`
}

function functionStage(work: StageFunction): Stage {
  return {
    process: (events, out) => {
      for (const event of events) {
        let made: ReturnType<StageFunction>
        try {
          made = work(event.value, event)
        } catch (error) {
          out.reject(event, new SluiceError('MODULE_FAILED', error instanceof Error ? error.message : String(error), { cause: error }))
          continue
        }
        const fault = unfit(made)
        if (fault === undefined) answer(event, made, out)
        else out.reject(event, new SluiceError('MODULE_FAILED', `The function returned ${fault}, which is no JSON.`))
      }
    },
  }
}

/** What a function must not return, in words; undefined where it may. */
function unfit(made: unknown): string | undefined {
  if (made instanceof Promise) {
    // Nobody waits for it: its failure must not end the process.
    made.catch(() => undefined)
    return 'a promise (a module stage is not asynchronous)'
  }
  if (typeof made === 'function' || typeof made === 'symbol' || typeof made === 'bigint') return `a ${typeof made}`
  return Array.isArray(made) && made.some(part => part === undefined) ? 'a list with undefined in it' : undefined
}

function answer(event: Event, made: ReturnType<StageFunction>, out: Output): void {
  if (made === undefined) return out.drop(event)
  if (Array.isArray(made)) return out.split(event, made.map((item: JsonValue) => event.derive(item)))
  event.replace(made)
  out.emit(event)
}

export const module: StageDeclaration = defineStage({
  type: 'module',
  summary: 'Run a function of your own, in TypeScript or JavaScript',
  config: field.object({
    file: field.path({ description: 'Module with a default export: a function, or a stage made by defineStage' }),
    config: field.anything({ default: {}, description: 'Handed to a stage made by defineStage' }),
  }),
  shorthand: 'file',
  foreign: true,
  examples: [{ title: 'A stage in a file', config: './score.ts' }],
  create: ({ file, config }, context) => {
    let stage: Stage | undefined
    return {
      open: async () => {
        stage = await load(file, config, context)
      },
      process: (events, out) => stage?.process(events, out),
      close: () => stage?.close?.(),
    }
  },
}) as StageDeclaration // A stage of one config is a stage.
