/**
 * Lets modules of users write `import ... from 'sluice'` wherever they lie: the name then means the Sluice that runs them.
 *
 * Without this, a module in a folder without `node_modules` would not find it, and one with another version beside it would get that: two sets of classes in one
 * process. Each thread calls it once, before it loads a module of a user.
 */
import { registerHooks } from 'node:module'
import { extname } from 'node:path'

/** What stands behind the package's name in `exports`. */
const DOORS: Readonly<Record<string, string>> = {
  sluice: './index', 'sluice/engine': './engine/index', 'sluice/expr': './expr/index', 'sluice/event': './event/index', 'sluice/pipeline': './pipeline/index', 'sluice/log': './log/index',
  'sluice/testing': './testing/index',
}

let answers = false

export function answerToOwnName(): void {
  if (answers) return
  answers = true
  const ending = extname(import.meta.url)
  registerHooks({
    resolve(specifier, context, next) {
      const door = DOORS[specifier]
      return door === undefined ? next(specifier, context) : { url: new URL(`${door}${ending}`, import.meta.url).href, shortCircuit: true }
    },
  })
}
