// Loads the command: compiled where the package was built, from its TypeScript source in a checkout.
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'

// Compiled code is kept between calls, which halves the start-up; a folder that can't be written costs nothing but that.
enableCompileCache()

const source = new URL('../src/cli/main.ts', import.meta.url)
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href)
