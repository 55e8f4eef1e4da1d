/** Every example on a stage's reference page does what it says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepareConfig } from '../engine/index.ts'
import type { Output, StageContext } from '../engine/index.ts'
import { StageMemory } from '../engine/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { stages } from './index.ts'

const context: StageContext = {
  id: 'test',
  folder: '/',
  now: () => 0,
  random: () => 0.5,
  sleep: () => Promise.resolve(),
  warn: message => assert.fail(message),
  signal: new AbortController().signal,
  state: new StageMemory([], () => true),
}

class Collected implements Output {
  readonly out: JsonValue[] = []
  emit(event: Event): void {
    this.out.push(JSON.parse(event.text) as JsonValue) // The event's own text.
  }
  to(_name: string, event: Event): void {
    this.emit(event)
  }
  split(_event: Event, parts: readonly Event[]): void {
    for (const part of parts) this.emit(part)
  }
  produce(event: Event): void {
    this.emit(event)
  }
  absorb(): void {}
  drop(): void {}
  reject(): void {}
}

for (const stage of stages) {
  for (const example of stage.examples ?? []) {
    if (example.input === undefined || example.output === undefined) continue
    test(`${stage.type}: ${example.title}`, async () => {
      const config = stage.shorthand !== undefined && (typeof example.config !== 'object' || Array.isArray(example.config)) ? { [stage.shorthand]: example.config } : example.config
      const made = stage.create(prepareConfig(stage.config, config, context), { ...context, state: new StageMemory([], () => true) })
      await made.open?.()
      const collected = new Collected()
      const slab = { source: 'test', bytes: new Uint8Array(0), locate: () => null }
      await made.process(example.input?.map(value => new Event(slab, 0, 0, JSON.stringify(value))) ?? [], collected)
      await made.finish?.(collected)
      assert.deepEqual(collected.out, example.output)
    })
  }
}
