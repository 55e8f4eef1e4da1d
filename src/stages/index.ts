/**
 * The built-in stages, one file for each or for a few of a kind.
 *
 * Owns: what a stage does to events. Heavy libraries are loaded when a stage that needs them is opened.
 * Never here: sources, sinks, threads, order.
 */
import type { StageDeclaration } from '../engine/index.ts'
import { aggregate } from './aggregate.ts'
import { enrich, lookup } from './enrich.ts'
import { remove, rename, set } from './fields.ts'
import { filter } from './filter.ts'
import { dedupe, sample, throttle } from './flow.ts'
import { map } from './map.ts'
import { mask } from './mask.ts'
import { module } from './module.ts'
import { parse } from './parse.ts'
import { route } from './route.ts'
import { score } from './score.ts'
import { flatten, split } from './shape.ts'
import { validate } from './validate.ts'

export const stages: readonly StageDeclaration[] = [
  aggregate, dedupe, enrich, filter, flatten, lookup, map, mask, module, parse, remove, rename, route, sample, score, set, split, throttle, validate,
]
