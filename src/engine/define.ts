/** How a component is declared: what is written is what is used, with its kind. */
import type { CodecDeclaration, SinkDeclaration, SourceDeclaration, StageDeclaration } from './component.ts'
import type { Field } from './fields.ts'

export function defineSource<F extends Field<unknown>>(declaration: Omit<SourceDeclaration<F>, 'kind'>): SourceDeclaration<F> {
  return { kind: 'source', ...declaration }
}
export function defineStage<F extends Field<unknown>>(declaration: Omit<StageDeclaration<F>, 'kind'>): StageDeclaration<F> {
  return { kind: 'stage', ...declaration }
}
export function defineSink<F extends Field<unknown>>(declaration: Omit<SinkDeclaration<F>, 'kind'>): SinkDeclaration<F> {
  return { kind: 'sink', ...declaration }
}
export function defineCodec<F extends Field<unknown>>(declaration: Omit<CodecDeclaration<F>, 'kind'>): CodecDeclaration<F> {
  return { kind: 'codec', ...declaration }
}
