/** A registry that knows more than another: the components of a TypeScript pipeline, or of plug-ins. */
import type { CodecDeclaration, FunctionDeclaration, Registry, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../engine/index.ts'

export type AnyDeclaration = SourceDeclaration | StageDeclaration | SinkDeclaration | CodecDeclaration | FunctionDeclaration

/** Knows the given declarations before its own. */
export function withDeclarations(base: Registry, declarations: readonly AnyDeclaration[]): Registry {
  const own = new Map(declarations.map(one => [`${one.kind} ${one.type}`, one]))
  const find = <K extends AnyDeclaration['kind']>(kind: K, type: string): Extract<AnyDeclaration, { kind: K }> | undefined =>
    own.get(`${kind} ${type}`) as Extract<AnyDeclaration, { kind: K }> | undefined // The key holds the kind.
  const components = [...own.values()].filter(one => one.kind !== 'function')
  const functions = Object.fromEntries([...own.values()].filter(one => one.kind === 'function').map(one => [one.type, one]))
  return {
    source: type => find('source', type) ?? base.source(type),
    stage: type => find('stage', type) ?? base.stage(type),
    sink: type => find('sink', type) ?? base.sink(type),
    codec: name => find('codec', name) ?? base.codec(name),
    functions: { ...base.functions, ...functions },
    all: kind => [...base.all(kind).filter(one => find(kind, one.type) === undefined), ...components.filter(one => one.kind === kind)],
  }
}
