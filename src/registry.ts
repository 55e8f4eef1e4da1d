/** All built-in components by name, and registries that add to them. */
import { codecs, sinks, sources } from './connect/index.ts'
import type { CodecDeclaration, Registry, SinkDeclaration, SourceDeclaration, StageDeclaration } from './engine/index.ts'
import { stages } from './stages/index.ts'

type AnyDeclaration = SourceDeclaration | StageDeclaration | SinkDeclaration | CodecDeclaration

/** A registry of the given components; where two have one kind and name, the later one is found. */
export function makeRegistry(declarations: readonly AnyDeclaration[]): Registry {
  const byName = new Map(declarations.map(declaration => [`${declaration.kind} ${declaration.type}`, declaration]))
  const find = <K extends AnyDeclaration['kind']>(kind: K, type: string): Extract<AnyDeclaration, { kind: K }> | undefined =>
    byName.get(`${kind} ${type}`) as Extract<AnyDeclaration, { kind: K }> | undefined // The key holds the kind.
  return {
    source: type => find('source', type),
    stage: type => find('stage', type),
    sink: type => find('sink', type),
    codec: type => find('codec', type),
    all: kind => [...byName.values()].filter(declaration => declaration.kind === kind).sort((a, b) => (a.type < b.type ? -1 : 1)),
  }
}

/** The built-in components. */
export const registry: Registry = makeRegistry([...sources, ...stages, ...sinks, ...codecs])
