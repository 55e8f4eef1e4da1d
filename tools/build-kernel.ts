/**
 * Compiles the column kernel and writes it as `src/event/kernel/binary.ts`.
 *
 *     node tools/build-kernel.ts            writes the file
 *     node tools/build-kernel.ts --check    fails where the committed file is not what the sources compile to
 *
 * The binary is committed as text within a module, so that it loads the same way from source, from the packed package and from a bundle, without reading files.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const SOURCE = fileURLToPath(new URL('../src/event/kernel/kernel.as.ts', import.meta.url))
const TARGET = fileURLToPath(new URL('../src/event/kernel/binary.ts', import.meta.url))
const FLAGS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd', '--enable', 'bulk-memory']

/** Compiles the kernel from its sources. */
export async function compileKernel(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined
  const { error, stderr } = await asc.main(['kernel.as.ts', '--baseDir', fileURLToPath(new URL('../src/event/kernel', import.meta.url)), ...FLAGS, '--outFile', 'kernel.wasm'], {
    writeFile: (name, contents) => {
      if (name.endsWith('.wasm') && typeof contents !== 'string') binary = contents
    },
  })
  if (error !== null || binary === undefined) throw new Error(`${SOURCE} does not compile:\n${stderr.toString()}`)
  return binary
}

/** The module that holds the binary. */
export function kernelModule(binary: Uint8Array): string {
  const lines = Buffer.from(binary).toString('base64').match(/.{1,140}/g) ?? []
  return `/** The compiled kernel. Made by tools/build-kernel.ts from kernel.as.ts; not to be changed by hand. */\nexport const KERNEL =\n${lines.map((line) => `  '${line}'`).join(' +\n')}\n`
}

if (import.meta.main) {
  const made = kernelModule(await compileKernel())
  if (!process.argv.includes('--check')) {
    writeFileSync(TARGET, made)
    process.stdout.write(`${TARGET}: ${made.length} characters\n`)
  } else if (readFileSync(TARGET, 'utf8') !== made) {
    process.stderr.write(`${TARGET} is not what its sources compile to: run node tools/build-kernel.ts\n`)
    process.exitCode = 1
  }
}
