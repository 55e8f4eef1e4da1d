/** Sluice as it is published: compiled and put together, beside the checkout. What is measured is what users run. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')

/** Builds the package anew and puts it into a folder. Answers the path of its command. */
export function installPackage(folder: string): string {
  execFileSync(process.execPath, [join(root, 'tools/build.ts')], { stdio: 'inherit' })
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'bin', 'dist', 'schema']) cpSync(join(root, name), join(folder, 'sluice', name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'sluice/bin/sluice.js')
}

/** Compiles a program that uses modules of Sluice, and puts them together as the package is. Answers the path of the result, in `folder`. */
export async function compileProgram(program: string, folder: string): Promise<string> {
  const bundled = await rolldown({ input: program, platform: 'node', external: id => !id.startsWith('.') && !id.startsWith('/') })
  await bundled.write({ dir: folder, format: 'es', entryFileNames: '[name].js' })
  await bundled.close()
  return join(folder, basename(program).replace(/ts$/, 'js'))
}
