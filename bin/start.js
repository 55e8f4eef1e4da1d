// Loads the command: compiled where the package was built, from its TypeScript source in a checkout.
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

// Compiled code is kept between calls, which halves the start-up; a folder that can't be written costs nothing but that.
enableCompileCache()

// Heaps grow by half of what is alive before they are cleaned, instead of by up to four times: many worker heaps share one machine, and what dies here dies young.
setFlagsFromString('--heap-growing-percent=50')

const source = new URL('../src/cli/main.ts', import.meta.url)
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href)
