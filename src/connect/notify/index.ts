/** Tells others of results: in order, at least once, to a topic of a log or to a webhook. */
export { NOTIFY, notifierOf } from './fields.ts'
export type { Notifier } from './notifier.ts'
export type { Written } from './notice.ts'
