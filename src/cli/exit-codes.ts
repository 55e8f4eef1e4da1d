/** What the exit code of `sluice` tells. Scripts rely on it: a code never changes its meaning. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** The config or the command line is wrong; nothing was run. */
  usage: 2,
  /** All was read, but some events are in the dead letters, and `--fail-on-dead-letters` was given. */
  deadLetters: 3,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
