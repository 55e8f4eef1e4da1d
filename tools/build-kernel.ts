/**
 * Compiles the WebAssembly kernels and writes each as a module beside its sources.
 *
 *     node tools/build-kernel.ts            writes the files
 *     node tools/build-kernel.ts --check    fails where a committed file is not what its sources compile to
 *
 * The binaries are committed as text within modules, so that they load the same way from source, from the packed package and from a bundle, without reading files.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

export interface Kernel {
  /** What is compiled, and what is written. */
  readonly source: string
  readonly target: string
  /** How its comment and its constant call it. */
  readonly what: string
  readonly name: string
  readonly flags: readonly string[]
}

const COMMON = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--enable', 'bulk-memory']
const at = (path: string): string => fileURLToPath(new URL(`../src/${path}`, import.meta.url))

/** The columns over JSON. */
export const COLUMNS: Kernel = {
  source: at('event/kernel/kernel.as.ts'), target: at('event/kernel/binary.ts'), what: 'The compiled kernel', name: 'KERNEL', flags: [...COMMON, '--importMemory'],
}
/** The checksum of record batches. */
export const CHECKSUM: Kernel = {
  source: at('log/batch/crc32c.as.ts'), target: at('log/batch/crc32c-binary.ts'), what: 'The compiled checksum', name: 'CRC32C', flags: COMMON,
}

/** Compiles a kernel from its sources. */
export async function compileKernel({ source, flags }: Kernel = COLUMNS): Promise<Uint8Array> {
  let binary: Uint8Array | undefined
  const { error, stderr } = await asc.main([basename(source), '--baseDir', dirname(source), ...flags, '--outFile', 'kernel.wasm'], {
    writeFile: (name, contents) => {
      if (name.endsWith('.wasm') && typeof contents !== 'string') binary = contents
    },
  })
  if (error !== null || binary === undefined) throw new Error(`${source} does not compile:\n${stderr.toString()}`)
  return binary
}

/** The module that holds a binary. */
export function kernelModule(binary: Uint8Array, { source, what, name }: Kernel = COLUMNS): string {
  const lines = Buffer.from(binary).toString('base64').match(/.{1,140}/g) ?? []
  const text = lines.map((line) => `  '${line}'`).join(' +\n')
  return `/** ${what}. Made by tools/build-kernel.ts from ${basename(source)}; not to be changed by hand. */\nexport const ${name} =\n${text}\n`
}

if (import.meta.main) {
  for (const kernel of [COLUMNS, CHECKSUM]) {
    const made = kernelModule(await compileKernel(kernel), kernel)
    if (!process.argv.includes('--check')) {
      writeFileSync(kernel.target, made)
      process.stdout.write(`${kernel.target}: ${made.length} characters\n`)
    } else if (readFileSync(kernel.target, 'utf8') !== made) {
      process.stderr.write(`${kernel.target} is not what its sources compile to: run node tools/build-kernel.ts\n`)
      process.exitCode = 1
    }
  }
}
